BeforeDiscovery {
    $missing = if (-not $IsLinux) { 'QEMU guests need Linux' }
        elseif (-not (Get-Command qemu-system-x86_64 -ErrorAction Ignore)) { 'qemu-system-x86_64 is not installed' }
        elseif ((id -u) -ne 0) { 'poisoning the memory of a QEMU from outside needs root' }
}

BeforeAll {
    . $PSScriptRoot/ImportModule.ps1
    $null = 'poison-1', 'poison-2' | New-MigrationHost
}

AfterAll { Get-MigrationHost poison-* | Disconnect-MigrationHost -Force }

Describe 'PoisonedPage' {
    BeforeEach {
        # Writes its first 4 MiB only, and so touches none of the pages that are poisoned here.
        New-MigrationVm sick poison-1 16MB -Program SequentialWriter -WorkingSetBytes 4MB -StepsPerSecond 2000 | Start-MigrationVm
    }

    AfterEach {
        Get-MigrationVm -HostName poison-* | Where-Object State -NE Stopped | Stop-MigrationVm -TurnOff -Force
        Get-MigrationVm -HostName poison-* | Remove-MigrationVm -Force
    }

    It 'is added and listed with its address and how it was found' {
        $added = Add-PoisonedPage sick 0x800000, 0x900123 -Force -PassThru
        $added.GuestPhysicalAddress | Should -Be 0x800000, 0x900000
        $found = Get-PoisonedPage sick
        $found.GuestPhysicalAddress | Should -Be 0x800000, 0x900000
        $found.Source | Should -Be Injected, Injected
        $found.HostName | Should -Be poison-1, poison-1
        ([datetimeoffset]::UtcNow - $found[0].Since).TotalMinutes | Should -BeLessThan 1
        (Get-MigrationVm sick).State | Should -Be Running
    }

    It 'is not added with -WhatIf, nor where there is no RAM' {
        Add-PoisonedPage sick 0x800000 -WhatIf
        { Add-PoisonedPage sick 1TB -Force -ErrorAction Stop } | Should -Throw -ErrorId 'InvalidArgument,*'
        Get-PoisonedPage sick | Should -BeNullOrEmpty
    }

    It 'goes through the pipeline, also to a VM that was started anew' {
        Add-PoisonedPage sick 0x800000, 0x900000 -Force
        $pages = Get-PoisonedPage sick
        Stop-MigrationVm sick -TurnOff -Force
        Start-MigrationVm sick
        Get-PoisonedPage sick | Should -BeNullOrEmpty
        ($pages | Add-PoisonedPage -Confirm:$false -PassThru).GuestPhysicalAddress | Should -Be 0x800000, 0x900000
    }

    It 'is named by the check, travels with its VM and goes on with it' {
        $null = New-MigrationVm sound poison-1 16MB -StepsPerSecond 1000 | Start-MigrationVm
        Add-PoisonedPage sick 0x800000, 0x900000 -Force
        (Test-VmMigration sick poison-2).Findings | Where-Object Message -Match '0x800000' | Should -Not -BeNullOrEmpty

        $moved = Get-PoisonedPage -HostName poison-1 | Start-VmMigration -DestinationHost poison-2 -VerifyMemory -Wait
        $moved.VmName | Should -Be sick
        $moved.Result.MemoryVerified | Should -BeTrue
        $moved.Result.PoisonedPages.GuestPhysicalAddress | Should -Be 0x800000, 0x900000
        Get-PoisonedPage -HostName poison-1 | Should -BeNullOrEmpty

        $back = Start-VmMigration sick poison-1 -VerifyMemory -Wait
        $back.Result.MemoryVerified | Should -BeTrue
        (Get-PoisonedPage sick).GuestPhysicalAddress | Should -Be 0x800000, 0x900000
        (Get-PoisonedPage sick).Source | Should -Be Carried, Carried
    }

    It 'is shown as a table that fits 100 columns' {
        $lines = (Add-PoisonedPage sick 0x800000 -Force -PassThru | Out-String -Width 100) -replace '\e\[[0-9;]*m' -split '\r?\n'
        $lines -match 'Address +Source' | Should -Not -BeNullOrEmpty
        $lines -match '0x800000 +Injected' | Should -Not -BeNullOrEmpty
        ($lines | Measure-Object Length -Maximum).Maximum | Should -BeLessOrEqual 100
    }

    It 'travels with a Linux guest that does not touch it' -Skip:([bool] $missing) {
        $guest = New-MigrationVm linux poison-1 512MB -DemoGuest -FillBytes 32MB -RewriteBytes 4MB
        $guest | Start-MigrationVm
        $null = $guest | Wait-MigrationVm -ConsoleLine '^tick' -Timeout 3min
        # Free memory in the middle: the kernel fills its zones from the upper end, and what the guest has lies there and at the start.
        Add-PoisonedPage linux 0x8000000 -Force
        $migration = Start-VmMigration linux poison-2 -VerifyMemory -Wait
        $migration.Result.MemoryVerified | Should -BeTrue
        $migration.Result.PoisonedPages.GuestPhysicalAddress | Should -Be 0x8000000
        $null = $guest | Wait-MigrationVm -ConsoleLine '^tick' -NewOnly -Timeout 30s
        (Get-MigrationVm linux).HostName | Should -Be poison-2
    }
}
