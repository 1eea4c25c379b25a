BeforeAll { . $PSScriptRoot/ImportModule.ps1 }

Describe 'MigrationHost' {
    AfterEach { Get-MigrationHost host-* | Disconnect-MigrationHost -Force }

    It 'is made, found by wildcard and closed' {
        $made = New-MigrationHost -Name host-1
        $made.Name | Should -Be host-1
        $made.StateDirectory | Should -Exist
        (Get-MigrationHost host-*).Name | Should -Be host-1
        $made | Disconnect-MigrationHost
        Get-MigrationHost host-* | Should -BeNullOrEmpty
        $made.StateDirectory | Should -Not -Exist
    }

    It 'is not made with -WhatIf' {
        New-MigrationHost host-1 -WhatIf | Should -BeNullOrEmpty
        Get-MigrationHost host-* | Should -BeNullOrEmpty
    }

    It 'finds its VMs again in the directory it was given' {
        $null = New-MigrationHost host-1 -StateDirectory TestDrive:/host-1
        $null = New-MigrationVm kept host-1 16MB
        Disconnect-MigrationHost host-1
        $null = New-MigrationHost host-1 -StateDirectory TestDrive:/host-1
        (Get-MigrationVm -HostName host-1).Name | Should -Be kept
    }

    It 'says what a hypervisor needs' {
        $null = New-MigrationHost host-1
        $checks = Test-MigrationHost host-1
        ($checks | Where-Object Check -EQ Embedded).Passed | Should -BeTrue
        $checks.Message | Should -Not -BeNullOrEmpty
        Test-MigrationHost host-1 -Hypervisor Embedded -Quiet | Should -BeTrue
    }

    It 'that is unknown is an error with a way on' {
        $failure = { Get-MigrationHost host-none -ErrorAction Stop } | Should -Throw -ErrorId 'HostNotFound,*' -PassThru
        $failure.ErrorDetails.RecommendedAction | Should -Match 'New-MigrationHost'
    }

    It 'is shown as a table that fits 100 columns' {
        New-MigrationHost host-1 | Out-String -Width 100 | Should -Match 'Endpoint\s+Hypervisors'
    }

    It 'is shared with parallel runspaces' {
        $null = New-MigrationHost host-1
        $names = 1..3 | ForEach-Object -Parallel {
            Import-Module $using:manifest
            (Get-MigrationHost host-1).Name
        }
        $names | Should -Be host-1, host-1, host-1
        (Get-MigrationHost host-1).Name | Should -Be host-1
    }
}
