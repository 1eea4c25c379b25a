BeforeAll {
    . $PSScriptRoot/ImportModule.ps1
    $null = 'trace-1', 'trace-2' | New-MigrationHost
}

AfterAll { Get-MigrationHost trace-* | Disconnect-MigrationHost -Force }

Describe 'WriteTrace' {
    BeforeEach {
        New-MigrationVm traced trace-1 64MB -Program HotSetWriter -StepsPerSecond 50000 | Start-MigrationVm
    }

    AfterEach {
        Get-MigrationVm -HostName trace-* | Where-Object MigrationId | Stop-VmMigration
        Get-MigrationVm -HostName trace-* | Where-Object State -NE Stopped | Stop-MigrationVm -TurnOff -Force
        Get-MigrationVm -HostName trace-* | Remove-MigrationVm -Force
    }

    It 'of the last migration tells what it cost the guest' {
        $result = (Start-VmMigration traced trace-2 -VerifyMemory -Wait).Result
        $trace = Get-WriteTrace traced
        $trace.State | Should -Be Completed
        $trace.Mechanism | Should -Be Software
        $trace.Installs | Should -BeGreaterThan 0
        $trace.Faults | Should -Be $result.TraceFaults
        $trace.StallTime | Should -Be $result.TraceStallTime
        $trace.Passes.Count | Should -Be $result.Passes
    }

    It 'of a migration under way is shown as it stands' {
        $migration = Start-VmMigration traced trace-2 -MaxBytesPerSecond 1MB
        $limit = [datetime]::UtcNow.AddSeconds(30)
        do { $trace = $migration | Get-WriteTrace } until ($trace.Mechanism -or [datetime]::UtcNow -gt $limit)
        $trace.Mechanism | Should -Be Software
        $trace.State | Should -Be Precopy
        $trace.VmName | Should -Be traced
    }

    It 'has the granularity <_>' -ForEach 4KB, 64KB, 2MB {
        $migration = Start-VmMigration traced trace-2 -WriteTraceGranularity $_ -VerifyMemory -Wait
        $migration.Result.MemoryVerified | Should -BeTrue
        $migration.Result.WriteTraceGranularityBytes | Should -Be $_
        ($migration | Get-WriteTrace).GranularityBytes | Should -Be $_
    }

    It 'chooses its granularity itself' {
        $result = (Start-VmMigration traced trace-2 -WriteTraceGranularity Auto -VerifyMemory -Wait).Result
        $result.MemoryVerified | Should -BeTrue
        $result.WriteTraceGranularityBytes | Should -BeGreaterOrEqual 4KB
    }

    It 'refuses a granularity that is none' {
        { Start-VmMigration traced trace-2 -WriteTraceGranularity fine } | Should -Throw '*Write Auto, or a size*'
        { Start-VmMigration traced trace-2 -WriteTraceGranularity 3000 -ErrorAction Stop } | Should -Throw -ErrorId 'InvalidArgument,*'
    }

    It 'is shown as a table that fits 100 columns' {
        $lines = (Start-VmMigration traced trace-2 -Wait | Get-WriteTrace | Out-String -Width 100) -replace '\e\[[0-9;]*m' -split '\r?\n'
        $lines -match 'Mechanism +Unit' | Should -Not -BeNullOrEmpty
        $lines -match 'traced +Completed +Software' | Should -Not -BeNullOrEmpty
        ($lines | Measure-Object Length -Maximum).Maximum | Should -BeLessOrEqual 100
    }
}
