#Requires -Version 7.6
<#
.SYNOPSIS
Copies a disk between two hosts of this session, interrupts the copy, and resumes it with only what is missing.
.DESCRIPTION
Needs no rights and nothing installed but the module. Writes the fragment that the interruption left and the transfer that went on from it,
and throws where a copy of the copy differs from it.
.EXAMPLE
./build.ps1; ./Examples/disk-transfer-resume.ps1
#>
[CmdletBinding()]
param(
    # Size of the disk; half of it is holes.
    [long] $SizeBytes = 512MB,

    # Bytes a second of the copy that is interrupted: slow enough to be stopped in time.
    [long] $MaxBytesPerSecond = 64MB,

    # Percent of the disk that are done when the copy is stopped.
    [ValidateRange(1, 95)]
    [int] $InterruptAt = 50,

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
    $null = New-MigrationHost -Name store01 -DemoDiskBytes $SizeBytes
    $null = New-MigrationHost -Name store02

    $transfer = Start-DiskTransfer -Path demo.raw -SourceHost store01 -DestinationHost store02 -MaxBytesPerSecond $MaxBytesPerSecond
    $null = $transfer | Wait-DiskTransfer -PercentComplete $InterruptAt
    # Stands for a lost link, a full disk or a killed agent: whatever ends a transfer, it leaves the same.
    $transfer | Stop-DiskTransfer

    $fragment = Get-DiskFragment -HostName store02
    $fragment
    $resumed = $fragment | Resume-DiskTransfer -Wait
    $resumed

    # The destination has verified every block; this reads all of it once more.
    $back = Start-DiskTransfer -Path $resumed.DestinationPath -SourceHost store02 -DestinationHost store01 -DestinationPath back.raw -Wait
    if ($back.Digest -ne $resumed.Digest) { throw "What came back is $($back.Digest), what had arrived was $($resumed.Digest)." }
}
finally {
    # Their datastores go with them.
    Get-MigrationHost 'store0[12]' | Disconnect-MigrationHost -Force
}
