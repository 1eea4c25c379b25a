BeforeDiscovery {
    $missing = if (-not $IsLinux) { 'QEMU guests need Linux' }
        elseif (-not (Get-Command qemu-system-x86_64 -ErrorAction Ignore)) { 'qemu-system-x86_64 is not installed' }
        elseif ((id -u) -ne 0) { 'moving the memory of a QEMU from outside needs root' }
}

BeforeAll {
    . $PSScriptRoot/ImportModule.ps1
    $null = 'large-1', 'large-2' | New-MigrationHost
}

AfterAll { Get-MigrationHost large-* | Disconnect-MigrationHost -Force }

Describe 'LargePage' {
    AfterEach {
        Get-MigrationVm -HostName large-* | Where-Object State -NE Stopped | Stop-MigrationVm -TurnOff -Force
        Get-MigrationVm -HostName large-* | Remove-MigrationVm -Force
    }

    It 'tells the backing a VM was made with, and that a stopped one has no memory' {
        $pages = New-MigrationVm off large-1 64MB -MemoryBacking TransparentHugePages | Get-LargePage
        $pages.Backing | Should -Be TransparentHugePages
        $pages.Share | Should -BeNullOrEmpty
        $pages.Remark | Should -Match stopped
    }

    It 'tells numbers that fit together, or why there are none' {
        New-MigrationVm on large-1 64MB -MemoryBacking TransparentHugePages -StepsPerSecond 20000 | Start-MigrationVm
        $pages = Get-MigrationHost large-1 | Get-LargePage
        $pages.VmName | Should -Be on
        if ($null -eq $pages.Share) {
            $pages.Remark | Should -Not -BeNullOrEmpty
        }
        else {
            $pages.MappedBytes | Should -BeLessOrEqual 64MB
            $pages.LargeBytes | Should -BeLessOrEqual $pages.MappedBytes
        }
    }

    It 'is shown as a table that fits 100 columns' {
        $null = New-MigrationVm off large-1 64MB
        $lines = (Get-LargePage off | Out-String -Width 100) -replace '\e\[[0-9;]*m' -split '\r?\n'
        $lines -match 'Backing +Mapped' | Should -Not -BeNullOrEmpty
        ($lines | Measure-Object Length -Maximum).Maximum | Should -BeLessOrEqual 100
    }

    It 'under a Linux guest is kept by a migration, and lost where that is asked for' -Skip:([bool] $missing) {
        $guest = New-MigrationVm linux large-1 256MB -MemoryBacking TransparentHugePages -DemoGuest -FillBytes 32MB -RewriteBytes 4MB
        $guest | Start-MigrationVm
        $null = $guest | Wait-MigrationVm -ConsoleLine '^tick' -Timeout 3min
        (Get-LargePage linux).Share | Should -BeGreaterThan 0.9

        $kept = (Start-VmMigration linux large-2 -VerifyMemory -Wait).Result
        $kept.MemoryVerified | Should -BeTrue
        $kept.LargePagesAtDestination.Share | Should -BeGreaterOrEqual ($kept.LargePagesAtSource.Share * 0.99)

        $lost = (Start-VmMigration linux large-1 -NoLargePages -VerifyMemory -Wait).Result
        $lost.MemoryVerified | Should -BeTrue
        $lost.LargePagesAtDestination.Share | Should -BeLessThan $kept.LargePagesAtDestination.Share
    }
}
