#Requires -Version 7.6
<#
.SYNOPSIS
Live-migrates a VM of the embedded hypervisor between two hosts of this session, while it writes memory all the time.
.DESCRIPTION
Needs no rights and nothing installed but the module. Writes what the migration did and cost, and the VM at its new host.
.EXAMPLE
./build.ps1; ./Examples/live-migration.ps1
#>
[CmdletBinding()]
param(
    # RAM of the VM.
    [long] $MemoryBytes = 512MB,

    # Virtual CPUs of the VM.
    [int] $VcpuCount = 2,

    # Writes a second of each virtual CPU; 0 means as fast as it goes, which may well be faster than the migration.
    [long] $WritesPerSecond = 200000,

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
    $vm = New-MigrationVm -Name web01 -HostName kvm01 -MemoryBytes $MemoryBytes -VcpuCount $VcpuCount -Program HotSetWriter -StepsPerSecond $WritesPerSecond
    $vm | Start-MigrationVm

    $migration = $vm | Start-VmMigration -DestinationHost kvm02 -VerifyMemory -Wait
    $migration.Result
    $vm | Get-MigrationVm
}
finally {
    # Rolls back what is not committed, and ends the VM with its host.
    Get-MigrationHost 'kvm0[12]' | Disconnect-MigrationHost -Force
}
