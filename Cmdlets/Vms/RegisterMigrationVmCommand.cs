using System.Management.Automation;
using VmMigration.Engine.Hosts;

namespace VmMigration.Cmdlets;

/// <summary>Adopts a QEMU that something else started, so that its VM can be migrated.</summary>
/// <example>
/// <code>Register-MigrationVm -HostName kvm01 -QmpSocketPath /run/qemu/web01.qmp | Test-VmMigration -DestinationHost kvm02</code>
/// <para>Adopts a VM by its QMP socket and checks whether it can move.</para>
/// </example>
[Cmdlet(VerbsLifecycle.Register, "MigrationVm", SupportsShouldProcess = true)]
[OutputType(typeof(MigrationVm))]
public sealed class RegisterMigrationVmCommand : MigrationCmdlet
{
    /// <summary>QMP unix socket of the QEMU process, on the host's machine; nothing else may be connected to it.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    [Alias("QmpSocket")]
    public string QmpSocketPath { get; set; } = null!;

    /// <summary>The host that adopts the VM, by name or as an object.</summary>
    [Parameter(Mandatory = true, Position = 1, ValueFromPipelineByPropertyName = true)]
    [ArgumentCompleter(typeof(HostNameCompleter))]
    public MigrationHostReference HostName { get; set; } = null!;

    /// <summary>Name to give the VM. Without it, the one QEMU was started with.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    public string? Name { get; set; }

    /// <summary>Adopts the VM.</summary>
    protected override void ProcessRecord()
    {
        string path = HostFiles.Name(HostName.Name, QmpSocketPath, GetUnresolvedProviderPathFromPSPath)!;
        if (!ShouldProcess(HostName.Name, $"Adopt VM at {path}")) return;
        VmDescription? vm = Attempt(
            path, token => HostRegistry.Get(HostName.Name).RegisterVmAsync(new VmRegistration(Name, path), token));
        if (vm is not null) WriteObject(MigrationVm.From(vm));
    }
}
