# Completions of gosync for bash 4.2 or later. They ask gosync itself.

# Takes the quotes off $1: the text is in REPLY, the quote that is still open in open.
_gosync_unquote() {
  local text=$1 i c
  REPLY='' open=''
  for ((i = 0; i < ${#text}; i++)); do
    c=${text:i:1}
    if [[ $open == "'" ]]; then
      if [[ $c == "'" ]]; then open=''; else REPLY+=$c; fi
    elif [[ $c == '\' ]]; then
      ((++i))
      if [[ $open == '"' && ${text:i:1} != [\"\\\$\`] ]]; then REPLY+=$c; fi
      REPLY+=${text:i:1}
    elif [[ $open == '"' ]]; then
      if [[ $c == '"' ]]; then open=''; else REPLY+=$c; fi
    elif [[ $c == "'" || $c == '"' ]]; then
      open=$c
    else
      REPLY+=$c
    fi
  done
}

# Writes $1 so that the shell reads it as that, within the quote in open: REPLY.
_gosync_quote() {
  local backslash='\'
  case $open in
    "'") REPLY=${1//"'"/"'$backslash''"} ;;
    '"')
      REPLY=${1//"$backslash"/"$backslash$backslash"}
      REPLY=${REPLY//'"'/"$backslash\""}
      REPLY=${REPLY//'$'/"$backslash\$"}
      REPLY=${REPLY//'`'/"$backslash\`"}
      ;;
    *)
      if [[ $1 == '' ]]; then REPLY=''; else printf -v REPLY %q "$1"; fi
      REPLY=${REPLY//"$backslash,"/,}
      if [[ $1 == '~/'* && $REPLY == "$backslash"* ]]; then REPLY=${REPLY:1}; fi
      ;;
  esac
}

_gosync() {
  local rest=${COMP_LINE:0:COMP_POINT} piece trimmed raw='' open REPLY i
  local -a words=()
  # Bash splits words at : = and @ as well; those without space between them are one.
  for ((i = 0; i <= COMP_CWORD; i++)); do
    piece=${COMP_WORDS[i]}
    trimmed=${rest#"${rest%%[![:space:]]*}"}
    if ((i == COMP_CWORD)); then piece=$trimmed; fi
    if ((i > 0)) && [[ $trimmed != "$rest" ]]; then
      _gosync_unquote "$raw"
      words+=("$REPLY")
      raw=''
    fi
    raw+=$piece
    rest=${trimmed#"$piece"}
  done
  _gosync_unquote "$raw"
  local cur=$REPLY quote=$open head=''
  # What stands in front of the part that is replaced.
  if [[ -z $quote ]]; then
    head=$raw
    while [[ -n $head && ($head != *[:=@] || $COMP_WORDBREAKS != *"${head: -1}"*) ]]; do
      head=${head%?}
    done
    head=${head%@} # which is replaced as well
    _gosync_unquote "$head"
    head=$REPLY
  elif [[ ${raw:0:1} != "$quote" ]]; then
    return
  fi

  local line directive=none prefix='' word
  local -a found=()
  while IFS= read -r line; do
    if [[ $line == :* ]]; then
      line=${line:1}
      directive=${line%% *} prefix=${line#* }
    else
      found+=("${line%%$'\t'*}")
    fi
  done < <(command gosync __complete "${#words[@]}" "${words[@]:1}" "$cur" 2>/dev/null)

  if [[ $directive != none ]]; then
    local part=${cur#"$prefix"} action=-f
    [[ $directive == dirs ]] && action=-d
    while IFS= read -r word; do
      [[ -n $word ]] || continue
      if [[ -d ${word/#\~\//$HOME/} ]]; then word+=/; fi
      found+=("$prefix$word")
    done < <(compgen "$action" -- "$part")
  fi
  COMPREPLY=()
  open=$quote
  for word in "${found[@]}"; do
    _gosync_quote "${word#"$head"}"
    COMPREPLY+=("$REPLY")
  done
  if ((${#found[@]} == 1)) && [[ ${found[0]} == *[/:=] ]]; then
    compopt -o nospace 2>/dev/null
  fi
}

complete -F _gosync gosync
