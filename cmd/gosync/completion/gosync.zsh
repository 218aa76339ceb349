#compdef gosync
# Completions of gosync for zsh. They ask gosync itself.

_gosync() {
  local line directive=none prefix= word
  local -a before found docs open_ended open_docs
  before=("${(@Q)words[2,CURRENT-1]}")
  for line in "${(@f)$(command gosync __complete $((${#before} + 1)) "${before[@]}" "${(Q)PREFIX}" 2>/dev/null)}"; do
    if [[ $line == :* ]]; then
      line=${line#:}
      directive=${line%% *} prefix=${line#* }
      continue
    fi
    word=${line%%$'\t'*} line=${line#*$'\t'}
    [[ -n $word ]] || continue
    if [[ $word == *[/:=] ]]; then
      open_ended+=("$word") open_docs+=("$word${line:+  -- $line}")
    else
      found+=("$word") docs+=("$word${line:+  -- $line}")
    fi
  done
  local ret=1
  if (( ${#found} )); then
    compadd -l -d docs -a found && ret=0
  fi
  if (( ${#open_ended} )); then
    compadd -l -S '' -d open_docs -a open_ended && ret=0
  fi
  if [[ $directive != none ]]; then
    if [[ -n $prefix ]]; then compset -P ${(b)prefix}; fi
    if [[ $directive == dirs ]]; then
      _files -/ && ret=0
    else
      _files && ret=0
    fi
  fi
  return ret
}

if [[ $funcstack[1] == _gosync ]]; then
  _gosync "$@"
else
  compdef _gosync gosync
fi
