@{
    RootModule           = 'VmMigration.Cmdlets.dll'
    ModuleVersion        = '0.1.0'
    GUID                 = '6d7a1a1c-5c0f-4b52-9f0e-8f3a2d6f7b41'
    Author               = 'The VmMigration authors'
    CompanyName          = 'The VmMigration authors'
    Copyright            = 'Copyright (c) 2026 The VmMigration authors'
    Description          = 'Moves running virtual machines between hosts: QEMU/KVM guests from outside an unmodified QEMU, and VMs of an embedded hypervisor that needs nothing installed.'
    PowerShellVersion    = '7.6'
    CompatiblePSEditions = @('Core')
    FormatsToProcess     = @('VmMigration.Format.ps1xml')
    TypesToProcess       = @('VmMigration.Types.ps1xml')
    CmdletsToExport      = @(
        'New-MigrationHost'
        'Connect-MigrationHost'
        'Get-MigrationHost'
        'Test-MigrationHost'
        'Disconnect-MigrationHost'
        'New-MigrationHostCertificate'
        'New-MigrationVm'
        'Get-MigrationVm'
        'Start-MigrationVm'
        'Stop-MigrationVm'
        'Suspend-MigrationVm'
        'Resume-MigrationVm'
        'Remove-MigrationVm'
        'Register-MigrationVm'
        'Wait-MigrationVm'
        'Test-VmMigration'
        'Start-VmMigration'
        'Get-VmMigration'
        'Wait-VmMigration'
        'Stop-VmMigration'
        'Resume-VmMigration'
        'Start-DiskTransfer'
        'Get-DiskTransfer'
        'Wait-DiskTransfer'
        'Suspend-DiskTransfer'
        'Resume-DiskTransfer'
        'Stop-DiskTransfer'
        'Get-DiskFragment'
        'Remove-DiskFragment'
        'New-MobilityPath'
        'Get-MobilityPath'
        'Test-MobilityPath'
        'Remove-MobilityPath'
        'Get-WriteTrace'
        'Get-LargePage'
        'Get-PoisonedPage'
        'Add-PoisonedPage'
        'Test-MigrationRunbook'
        'Invoke-MigrationRunbook'
    )
    FunctionsToExport    = @()
    AliasesToExport      = @()
    VariablesToExport    = @()
    PrivateData          = @{
        PSData = @{
            Tags         = @('VirtualMachine', 'LiveMigration', 'QEMU', 'KVM', 'PSEdition_Core', 'Linux')
            ReleaseNotes = 'First version: hosts, VMs, live migration, disk transfers and runbooks.'
        }
    }
}
