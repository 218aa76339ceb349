# Completions of gosync for PowerShell 5.1 or later. They ask gosync itself.

Register-ArgumentCompleter -Native -CommandName gosync -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    $words = @(
        foreach ($element in ($commandAst.CommandElements | Select-Object -Skip 1)) {
            if ($element.Extent.EndOffset -lt $cursorPosition) {
                if ($element -is [System.Management.Automation.Language.StringConstantExpressionAst]) { $element.Value } else { $element.Extent.Text }
            }
        }
    )
    $current = $wordToComplete.Trim("'", '"')
    $quoteOf = {
        param($word)
        if ($word -match '^[-\w./:=@,+~%]+$' -and $word -notmatch '^@') { $word } else { "'" + [System.Management.Automation.Language.CodeGeneration]::EscapeSingleQuotedStringContent($word) + "'" }
    }
    $lines = @(& gosync __complete ($words.Count + 1) @words $current 2>$null)
    foreach ($line in $lines) {
        if ($line.StartsWith(':')) {
            $directive, $prefix = $line.Substring(1).Split(' ', 2)
            if ($directive -eq 'none') { continue }
            $part = $current.Substring([Math]::Min($prefix.Length, $current.Length))
            foreach ($file in [System.Management.Automation.CompletionCompleters]::CompleteFilename($part)) {
                if ($directive -eq 'dirs' -and $file.ResultType -ne 'ProviderContainer') { continue }
                [System.Management.Automation.CompletionResult]::new($prefix + $file.CompletionText, $file.ListItemText, $file.ResultType, $file.ToolTip)
            }
            continue
        }
        $word, $doc = $line.Split("`t", 2)
        if (-not $doc) { $doc = $word }
        [System.Management.Automation.CompletionResult]::new((& $quoteOf $word), $word, 'ParameterValue', $doc)
    }
}
