using System.Management.Automation;

namespace VmMigration.Cmdlets;

/// <summary>
/// Base of the cmdlets that look at VMs chosen by name, by id, by object or by host; at all of them where nothing is chosen.
/// </summary>
public abstract class VmQueryCmdlet : MigrationCmdlet
{
    internal const string ByName = "Name";
    internal const string ById = "Id";
    internal const string ByVm = "Vm";
    internal const string ByHost = "Host";

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

    /// <summary>VM objects, as Get-MigrationVm writes them. The VM is found by its id, wherever it is now.</summary>
    [Parameter(Mandatory = true, ParameterSetName = ByVm, ValueFromPipeline = true)]
    [Alias("Vm")]
    public MigrationVm[] InputObject { get; set; } = [];

    /// <summary>A host object whose VMs are meant.</summary>
    [Parameter(Mandatory = true, ParameterSetName = ByHost, ValueFromPipeline = true)]
    public MigrationHost MigrationHost { get; set; } = null!;

    /// <summary>Hosts to look on, by name (wildcards are allowed) or as objects. Without it, all hosts of this session.</summary>
    [Parameter(ParameterSetName = ByName, ValueFromPipelineByPropertyName = true)]
    [Parameter(ParameterSetName = ById, ValueFromPipelineByPropertyName = true)]
    [ArgumentCompleter(typeof(HostNameCompleter))]
    public MigrationHostReference[]? HostName { get; set; }

    /// <summary>Finds the chosen VMs and looks at each.</summary>
    protected override void ProcessRecord()
    {
        MigrationHostReference[]? hosts = ParameterSetName == ByHost ? [new(MigrationHost)] : HostName;
        switch (ParameterSetName)
        {
            case ById:
                foreach (Guid id in Id) ProcessAll(id, token => VmLookup.FindByIdAsync(id, hosts, token));
                break;
            case ByVm:
                foreach (MigrationVm vm in InputObject) ProcessAll(vm, token => VmLookup.FindByIdAsync(vm.Id, null, token));
                break;
            default:
                foreach (string name in Name) ProcessAll(name, token => VmLookup.FindByNameAsync(name, hosts, token));
                break;
        }
    }

    /// <summary>Looks at one VM; <paramref name="target"/> is what the user named it by, for error records.</summary>
    private protected abstract void ProcessVm(LocatedVm vm, object target);

    private void ProcessAll(object target, Func<CancellationToken, Task<IReadOnlyList<LocatedVm>>> find)
    {
        IReadOnlyList<LocatedVm>? vms = Attempt(target, find);
        foreach (LocatedVm vm in vms ?? []) ProcessVm(vm, target);
    }
}
