BeforeAll {
    . $PSScriptRoot/ImportModule.ps1
    $null = 'kvm01', 'kvm02' | New-MigrationHost
    # Rewrites 64 MiB so fast that a migration held to 1 MB/s goes on until it is stopped.
    $busy = @{ MemoryBytes = 64MB; Program = 'HotSetWriter'; StepsPerSecond = 1000000 }
}

AfterAll { Get-MigrationHost kvm* | Disconnect-MigrationHost -Force }

Describe 'VmMigration' {
    BeforeEach { New-MigrationVm web01 kvm01 @busy | Start-MigrationVm }

    AfterEach {
        $vms = Get-MigrationVm -HostName kvm*
        $vms | Where-Object MigrationId | Stop-VmMigration
        Get-MigrationVm -HostName kvm* | Where-Object State -NE Stopped | Stop-MigrationVm -TurnOff -Force
        Get-MigrationVm -HostName kvm* | Remove-MigrationVm -Force
    }

    It 'moves a running VM and verifies its memory' {
        $migration = Start-VmMigration web01 -DestinationHost kvm02 -VerifyMemory -Wait
        $migration.State | Should -Be Completed
        $migration.Result.MemoryVerified | Should -BeTrue
        $migration.Result.Downtime | Should -BeGreaterThan ([timespan]::Zero)
        $migration.Result.TotalTime | Should -BeGreaterThan $migration.Result.Downtime
        $vm = Get-MigrationVm web01
        $vm.HostName | Should -Be kvm02
        $vm.State | Should -Be Running
    }

    It 'goes there and back' {
        foreach ($destination in 'kvm02', 'kvm01') {
            $moved = Get-MigrationVm web01 | Start-VmMigration -DestinationHost $destination -VerifyMemory | Wait-VmMigration -Timeout 1min
            $moved.State | Should -Be Completed
        }
        (Get-MigrationVm web01).HostName | Should -Be kvm01
    }

    It 'is checked first, and the report starts it' {
        $report = Test-VmMigration web01 -DestinationHost kvm02 -VerifyMemory
        $report.CanMigrate | Should -BeTrue
        ($report | Start-VmMigration -Wait).Result.MemoryVerified | Should -BeTrue
    }

    It 'is not started with -WhatIf' {
        Start-VmMigration web01 kvm02 -WhatIf | Should -BeNullOrEmpty
        (Get-MigrationVm web01).MigrationId | Should -BeNullOrEmpty
    }

    It 'is cancelled, and the VM runs on where it was' {
        $migration = Start-VmMigration web01 kvm02 -MaxBytesPerSecond 1MB
        ($migration | Stop-VmMigration -PassThru).State | Should -Be RolledBack
        $vm = Get-MigrationVm web01
        $vm.HostName | Should -Be kvm01
        $vm.State | Should -Be Running
    }

    It 'that does not end in time is an error that carries it, and goes on' {
        $migration = Start-VmMigration web01 kvm02 -MaxBytesPerSecond 1MB
        $migration | Wait-VmMigration -Timeout 0.5 -ErrorVariable failures -ErrorAction SilentlyContinue | Should -BeNullOrEmpty
        $failures.FullyQualifiedErrorId | Should -BeLike 'TimedOut,*'
        $failures.TargetObject.Id | Should -Be $migration.Id
        ($migration | Get-VmMigration).HasEnded | Should -BeFalse
    }

    It 'runs as a job' {
        $job = Start-VmMigration web01 kvm02 -VerifyMemory -AsJob
        ($job | Receive-Job -Wait -AutoRemoveJob).Result.MemoryVerified | Should -BeTrue
    }

    It 'is cancelled with its job' {
        $job = Start-VmMigration web01 kvm02 -MaxBytesPerSecond 1MB -AsJob
        $job | Stop-Job -PassThru | Should -Not -BeNullOrEmpty
        $job.State | Should -Be Stopped
        $job | Remove-Job
        (Get-MigrationVm web01).HostName | Should -Be kvm01
    }

    It 'shows its result with the parts of the downtime' {
        $text = (Start-VmMigration web01 kvm02 -VerifyMemory -Wait).Result | Out-String -Width 100
        foreach ($part in 'stop', 'last pages', 'device state', 'verify', 'load', 'commit', 'resume') { $text | Should -Match "  $part +: " }
    }

    It 'ends its wait when the rest of the pipeline has enough' {
        New-MigrationVm quick kvm01 16MB -Program Idle | Start-MigrationVm
        $slow = Start-VmMigration web01 kvm02 -MaxBytesPerSecond 1MB
        $first = Start-VmMigration quick kvm02 | Write-Output -OutVariable started
        $first, $slow | Wait-VmMigration | Select-Object -First 1 | Should -BeLike 'quick*'
        ($slow | Get-VmMigration).HasEnded | Should -BeFalse
    }
}
