BeforeAll {
    . $PSScriptRoot/ImportModule.ps1
    $null = 'post-1', 'post-2' | New-MigrationHost
}

AfterAll { Get-MigrationHost post-* | Disconnect-MigrationHost -Force }

Describe 'Post-copy' {
    BeforeEach {
        # Rewrites its memory many times a second: over a link of 32 MB/s no number of passes ends.
        New-MigrationVm busy post-1 32MB -Program Checksum -StepsPerSecond 1000000 | Start-MigrationVm
    }

    AfterEach {
        Get-MigrationVm -HostName post-* | Where-Object State -NE Stopped | Stop-MigrationVm -TurnOff -Force
        Get-MigrationVm -HostName post-* | Remove-MigrationVm -Force
    }

    It 'does not come about unless it is asked for' {
        $migration = Start-VmMigration busy post-2 -MaxBytesPerSecond 32MB -MaxPasses 3 -MinVcpuShare 1
        $migration | Wait-VmMigration -ErrorVariable failures -ErrorAction SilentlyContinue | Should -BeNullOrEmpty
        $failures.FullyQualifiedErrorId | Should -BeLike 'NotConverging,*'
        (Get-MigrationVm busy).HostName | Should -Be post-1
    }

    It 'ends what passes alone would not' {
        $migration = Start-VmMigration busy post-2 -MaxBytesPerSecond 32MB -MaxPasses 3 -MinVcpuShare 1 -Postcopy WhenNotConverging -Wait
        $migration.State | Should -Be Completed
        $migration.Result.Postcopy.Pages | Should -BeGreaterThan 0
        $migration.Result.Postcopy.Interruptions | Should -Be 0
        $vm = Get-MigrationVm busy
        $vm.HostName | Should -Be post-2
        $vm.State | Should -Be Running
    }

    It 'comes after the first pass where that is asked for' {
        $result = (Start-VmMigration busy post-2 -MaxBytesPerSecond 32MB -Postcopy AfterFirstPass -Wait).Result
        $result.Passes | Should -BeLessOrEqual 2
        $result.Postcopy.Duration | Should -BeGreaterThan ([timespan]::Zero)
    }

    It 'runs as a job' {
        $job = Start-VmMigration busy post-2 -MaxBytesPerSecond 32MB -Postcopy AfterFirstPass -AsJob
        ($job | Receive-Job -Wait -AutoRemoveJob).Result.Postcopy | Should -Not -BeNullOrEmpty
    }

    It 'that does not stand still cannot be resumed' {
        $migration = Start-VmMigration busy post-2 -MaxBytesPerSecond 32MB -Postcopy AfterFirstPass -Wait
        { $migration | Resume-VmMigration -ErrorAction Stop } | Should -Throw -ErrorId 'InvalidState,*'
        Resume-VmMigration bus* -ErrorAction Stop | Should -BeNullOrEmpty
        $migration | Resume-VmMigration -WhatIf | Should -BeNullOrEmpty
    }
}
