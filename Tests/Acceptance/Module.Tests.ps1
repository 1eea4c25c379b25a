BeforeAll { . $PSScriptRoot/ImportModule.ps1 }

Describe 'The module' {
    It 'has a valid manifest' {
        (Test-ModuleManifest $manifest).Version | Should -Be (Get-Module VmMigration).Version
    }

    It 'lists every export by name' {
        $data = Import-PowerShellDataFile $manifest
        $data.CmdletsToExport | Sort-Object | Should -Be ((Get-Module VmMigration).ExportedCmdlets.Keys | Sort-Object)
        foreach ($kind in 'Functions', 'Aliases', 'Variables') { $data["${kind}ToExport"] | Should -BeNullOrEmpty }
    }

    It 'keeps the engine out of the default load context' {
        New-MigrationHost isolated | Disconnect-MigrationHost
        $contexts = [System.Runtime.Loader.AssemblyLoadContext]::All |
            Where-Object { $_.Assemblies.GetName().Name -contains 'VmMigration.Engine' }
        $contexts.Name | Should -Be 'VmMigration'
    }

    It 'has help with a synopsis and an example for <_>' -ForEach @(
        . $PSScriptRoot/ImportModule.ps1
        (Get-Module VmMigration).ExportedCmdlets.Keys
    ) {
        $help = Get-Help $_ -Full
        $help.Synopsis.Trim() | Should -Not -BeLike "$_ *[[]*"
        $help.examples.example.Count | Should -BeGreaterThan 0
        foreach ($parameter in $help.parameters.parameter | Where-Object name -NotIn WhatIf, Confirm) {
            $parameter.description.Text | Should -Not -BeNullOrEmpty -Because "-$($parameter.name) needs a description"
        }
    }

    It 'explains itself in about_VmMigration' {
        Get-Help about_VmMigration | Out-String | Should -Match 'Start-VmMigration'
    }
}
