BeforeAll {
    . $PSScriptRoot/ImportModule.ps1
    $runbook = Join-Path $repository 'Examples/live-migration.yaml'
}

Describe 'MigrationRunbook' {
    It 'that is sound has no diagnostics' {
        Test-MigrationRunbook $runbook | Should -BeNullOrEmpty
    }

    It 'that is not names file, line and column' {
        Set-Content TestDrive:/broken.yaml "apiVersion: nonsense`nkind: [`n"
        $diagnostics = Test-MigrationRunbook TestDrive:/broken.yaml
        $diagnostics | Should -Not -BeNullOrEmpty
        $diagnostics[0].Line | Should -BeGreaterThan 0
    }

    It 'changes nothing with -WhatIf' {
        $before = @(Get-MigrationHost).Count
        $null = Invoke-MigrationRunbook $runbook -WhatIf
        @(Get-MigrationHost).Count | Should -Be $before
    }
}
