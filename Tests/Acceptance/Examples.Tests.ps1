BeforeDiscovery {
    $examples = Join-Path $PSScriptRoot '../../Examples'
    $scripts = @(Get-ChildItem $examples -Filter *.ps1)
    $runbooks = @(Get-ChildItem $examples -Filter *.yaml)
}

BeforeAll {
    . $PSScriptRoot/ImportModule.ps1
    $proof = @{ 'disk-transfer-resume.ps1' = 'Resumption +: Continued' }
    $missing = if ($IsLinux -and (Get-Command qemu-system-x86_64 -ErrorAction Ignore) -and (id -u) -eq 0) { $null }
        else { 'a Linux guest needs Linux, root and QEMU' }
}

Describe 'Examples' {
    It 'script <_.Name> runs as it stands' -ForEach $scripts {
        if ($_.Name -match 'linux|with-disks' -and $missing) { Set-ItResult -Skipped -Because $missing }
        # In a process of its own, as a user runs it.
        $output = & (Get-Process -Id $PID).Path -NoProfile -NonInteractive -File $_.FullName -ModulePath $manifest *>&1 | Out-String
        $LASTEXITCODE | Should -Be 0 -Because $output
        # The view colours its labels where the shell was told to.
        $output -replace '\e\[[0-9;]*m' | Should -Match ($proof[$_.Name] ?? 'Memory verified +: True')
    }

    It 'runbook <_.Name> is sound' -ForEach $runbooks {
        Test-MigrationRunbook $_.FullName | Should -BeNullOrEmpty
    }

    It 'runbook <_.Name> runs as it stands' -ForEach $runbooks {
        if ($_.Name -match 'linux|with-disks' -and $missing) { Set-ItResult -Skipped -Because $missing }
        (Invoke-MigrationRunbook $_.FullName).Status | Should -Be Succeeded
    }
}
