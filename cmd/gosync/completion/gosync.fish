# Completions of gosync for fish 3.1 or later. They ask gosync itself.

function __gosync_complete
    set -l words (commandline -opc)
    set -e words[1]
    set -l token (commandline -ct)
    set -l plain (string unescape -- $token)
    or set plain $token
    test (count $plain) -eq 1
    or set plain ''
    set -l lines (command gosync __complete (math (count $words) + 1) $words "$plain" 2>/dev/null)
    for line in $lines
        if string match -q ':*' -- $line
            set -l answer (string split -m 1 ' ' -- (string sub -s 2 -- $line))
            set -l part (string sub -s (math (string length -- "$answer[2]") + 1) -- "$plain")
            switch $answer[1]
                case files
                    set -l names (__fish_complete_path "$part")
                    test (count $names) -gt 0
                    and printf '%s\n' "$answer[2]"$names
                case dirs
                    set -l names (__fish_complete_directories "$part" '')
                    test (count $names) -gt 0
                    and printf '%s\n' "$answer[2]"$names
            end
        else
            printf '%s\n' $line
        end
    end
end

complete -c gosync -f -a '(__gosync_complete)'
