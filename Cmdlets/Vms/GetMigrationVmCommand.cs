using System.Management.Automation;

namespace VmMigration.Cmdlets;

/// <summary>Gets VMs.</summary>
/// <remarks>
/// The objects are snapshots: pipe one into Get-MigrationVm to refresh it. It is found by its id, so also after it moved to another host.
/// </remarks>
/// <example>
/// <code>Get-MigrationHost kvm01 | Get-MigrationVm</code>
/// <para>Lists the VMs of one host.</para>
/// </example>
/// <example>
/// <code>$vm = $vm | Get-MigrationVm</code>
/// <para>Refreshes a VM object.</para>
/// </example>
[Cmdlet(VerbsCommon.Get, "MigrationVm", DefaultParameterSetName = ByName)]
[OutputType(typeof(MigrationVm))]
public sealed class GetMigrationVmCommand : MigrationCmdlet
{
    private const string ByName = "Name";
    private const string ById = "Id";
    private const string ByVm = "Vm";
    private const string ByHost = "Host";

    /// <summary>Names of VMs; wildcards are allowed. Without it, all VMs.</summary>
    [Parameter(Position = 0, ParameterSetName = ByName, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [Parameter(Position = 0, ParameterSetName = ByHost)]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(VmNameCompleter))]
    [Alias("VmName")]
    public string[] Name { get; set; } = ["*"];

    /// <summary>Identities of VMs.</summary>
    [Parameter(Mandatory = true, ParameterSetName = ById, ValueFromPipelineByPropertyName = true)]
    [Alias("VmId")]
    public Guid[] Id { get; set; } = [];

    /// <summary>VM objects to refresh.</summary>
    [Parameter(Mandatory = true, ParameterSetName = ByVm, ValueFromPipeline = true)]
    [Alias("Vm")]
    public MigrationVm[] InputObject { get; set; } = [];

    /// <summary>A host object whose VMs to get.</summary>
    [Parameter(Mandatory = true, ParameterSetName = ByHost, ValueFromPipeline = true)]
    public MigrationHost MigrationHost { get; set; } = null!;

    /// <summary>Hosts to look on, by name (wildcards are allowed) or as objects. Without it, all hosts of this session.</summary>
    [Parameter(ParameterSetName = ByName, ValueFromPipelineByPropertyName = true)]
    [Parameter(ParameterSetName = ById, ValueFromPipelineByPropertyName = true)]
    [ArgumentCompleter(typeof(HostNameCompleter))]
    public MigrationHostReference[]? HostName { get; set; }

    /// <summary>Finds and writes the chosen VMs.</summary>
    protected override void ProcessRecord()
    {
        MigrationHostReference[]? hosts = ParameterSetName == ByHost ? [new(MigrationHost)] : HostName;
        switch (ParameterSetName)
        {
            case ById:
                foreach (Guid id in Id) WriteVms(id, token => VmLookup.FindByIdAsync(id, hosts, token));
                break;
            case ByVm:
                foreach (MigrationVm vm in InputObject) WriteVms(vm, token => VmLookup.FindByIdAsync(vm.Id, null, token));
                break;
            default:
                foreach (string name in Name) WriteVms(name, token => VmLookup.FindByNameAsync(name, hosts, token));
                break;
        }
    }

    private void WriteVms(object target, Func<CancellationToken, Task<IReadOnlyList<LocatedVm>>> find)
    {
        IReadOnlyList<LocatedVm>? vms = Attempt(target, find);
        foreach (LocatedVm vm in vms ?? []) WriteObject(MigrationVm.From(vm.Vm));
    }
}
