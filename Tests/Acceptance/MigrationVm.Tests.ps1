BeforeAll {
    . $PSScriptRoot/ImportModule.ps1
    $null = 'vm-host-1', 'vm-host-2' | New-MigrationHost
}

AfterAll { Get-MigrationHost vm-host-* | Disconnect-MigrationHost -Force }

Describe 'MigrationVm' {
    AfterEach {
        $vms = Get-MigrationVm -HostName vm-host-*
        $vms | Where-Object State -NE Stopped | Stop-MigrationVm -TurnOff -Force
        $vms | Remove-MigrationVm -Force
    }

    It 'goes through its states' {
        $vm = New-MigrationVm -Name web01 -HostName vm-host-1 -MemoryBytes 16MB -Program Checksum -StepsPerSecond 1000
        $vm.State | Should -Be Stopped
        ($vm | Start-MigrationVm -PassThru).State | Should -Be Running
        ($vm | Suspend-MigrationVm -PassThru).State | Should -Be Paused
        ($vm | Resume-MigrationVm -PassThru).State | Should -Be Running
        ($vm | Stop-MigrationVm -PassThru).State | Should -Be Stopped
        $vm | Remove-MigrationVm -Force
        Get-MigrationVm web* | Should -BeNullOrEmpty
    }

    It 'is a snapshot that Get-MigrationVm refreshes' {
        $vm = New-MigrationVm web01 vm-host-1 16MB
        Start-MigrationVm web01
        $vm.State | Should -Be Stopped
        ($vm | Get-MigrationVm).State | Should -Be Running
    }

    It 'is chosen by wildcard, by host and by id' {
        $vms = 1..3 | ForEach-Object { New-MigrationVm "web0$_" vm-host-1 16MB }
        (Get-MigrationVm web0[12]).Count | Should -Be 2
        (Get-MigrationHost vm-host-1 | Get-MigrationVm).Count | Should -Be 3
        (Get-MigrationVm -Id $vms[2].Id).Name | Should -Be web03
    }

    It 'is not changed with -WhatIf' {
        $null = New-MigrationVm web01 vm-host-1 16MB
        Start-MigrationVm web01 -WhatIf
        Remove-MigrationVm web01 -Force -WhatIf
        (Get-MigrationVm web01).State | Should -Be Stopped
    }

    It 'that is unknown does not keep the others from being done' {
        $null = New-MigrationVm web01 vm-host-1 16MB
        $done = Start-MigrationVm nosuch, web01 -PassThru -ErrorVariable failures -ErrorAction SilentlyContinue
        $done.Name | Should -Be web01
        $failures.FullyQualifiedErrorId | Should -BeLike 'VmNotFound,*'
        $failures.TargetObject | Should -Be nosuch
    }

    It 'goes through JSON and binds again by its properties' {
        $null = New-MigrationVm web01 vm-host-1 16MB
        Get-MigrationVm web01 | ConvertTo-Json | ConvertFrom-Json | Start-MigrationVm
        (Get-MigrationVm web01).State | Should -Be Running
    }
}
