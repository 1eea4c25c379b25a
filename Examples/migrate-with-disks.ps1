#Requires -Version 7.6
<#
.SYNOPSIS
Moves a running Linux guest under QEMU together with its disk between two hosts of this session that share no storage.
.DESCRIPTION
Needs root, QEMU, a kernel image and a static busybox from the distribution, and the module. Writes what the migration did and cost.
.EXAMPLE
./build.ps1; ./Examples/migrate-with-disks.ps1
#>
[CmdletBinding()]
param(
    # RAM of the VM.
    [long] $MemoryBytes = 512MB,

    # Memory the guest fills with random data.
    [long] $FillBytes = 64MB,

    # Size of its disk; half of it is holes.
    [long] $DiskBytes = 256MB,

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
    $kvm01 = New-MigrationHost -Name kvm01 -DemoDiskBytes $DiskBytes
    $null = New-MigrationHost -Name kvm02
    $vm = New-MigrationVm -Name linux02 -HostName kvm01 -MemoryBytes $MemoryBytes -DemoGuest -FillBytes $FillBytes -RewriteBytes 16MB -Disk "$($kvm01.DatastoreDirectory)/demo.raw"
    $vm | Start-MigrationVm
    $null = $vm | Wait-MigrationVm -ConsoleLine '^tick' -Timeout 5min

    $migration = $vm | Start-VmMigration -DestinationHost kvm02 -IncludeDisks -VerifyMemory -Wait
    $migration.Result
    $migration.Result.Disks
}
finally {
    # Rolls back what is not committed, and ends the VM with its host.
    Get-MigrationHost 'kvm0[12]' | Disconnect-MigrationHost -Force
}
