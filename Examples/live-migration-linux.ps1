#Requires -Version 7.6
<#
.SYNOPSIS
Live-migrates a Linux guest under QEMU between two hosts on this machine, while it rewrites memory all the time.
.DESCRIPTION
Needs root, QEMU, a kernel image and a static busybox from the distribution; .ci/run installs them. Writes what the migration did and
cost, and a line of the guest's serial console from after it.
.EXAMPLE
./build.ps1; sudo pwsh ./Examples/live-migration-linux.ps1
#>
[CmdletBinding()]
param(
    # RAM of the VM.
    [long] $MemoryBytes = 1GB,

    # Memory the guest fills with random data.
    [long] $FillBytes = 464MB,

    # The part of it that the guest rewrites in a loop.
    [long] $RewriteBytes = 64MB,

    # The module's manifest. Without it, the one that build.ps1 made last.
    [string] $ModulePath
)

Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'

if (-not $ModulePath) {
    $built = "$PSScriptRoot/../out/VmMigration"
    if (-not [IO.Directory]::Exists($built)) { throw "The module is not built yet. Run $PSScriptRoot/../build.ps1 first." }
    $ModulePath = [IO.Directory]::GetFiles($built, 'VmMigration.psd1', 'AllDirectories')[-1]
}
Import-Module $ModulePath

try {
    $null = 'kvm01', 'kvm02' | New-MigrationHost
    $vm = New-MigrationVm -Name linux01 -HostName kvm01 -MemoryBytes $MemoryBytes -DemoGuest -FillBytes $FillBytes -RewriteBytes $RewriteBytes
    $vm | Start-MigrationVm

    # The guest says on its serial console when its memory is filled; the loop that rewrites it starts with the first tick.
    $null = $vm | Wait-MigrationVm -ConsoleLine '^FILLED' -Timeout 5min
    $null = $vm | Wait-MigrationVm -ConsoleLine '^tick' -Timeout 30s

    $migration = $vm | Start-VmMigration -DestinationHost kvm02 -VerifyMemory -Wait
    $migration.Result

    # Only lines written from now on count: the guest runs, and at the destination.
    $vm | Wait-MigrationVm -ConsoleLine '^tick \d+ [\d.]+$' -NewOnly -Timeout 30s
}
finally {
    # Rolls back what is not committed, and ends the VM with its host.
    Get-MigrationHost 'kvm0[12]' | Disconnect-MigrationHost -Force
}
