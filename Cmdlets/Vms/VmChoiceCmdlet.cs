using System.Management.Automation;

namespace VmMigration.Cmdlets;

/// <summary>Base of the cmdlets whose VMs are chosen by name, by id or by object.</summary>
public abstract class VmChoiceCmdlet : MigrationCmdlet
{
    internal const string ByName = "Name";
    internal const string ById = "Id";
    internal const string ByVm = "Vm";

    /// <summary>Names of VMs; wildcards are allowed. Whether one must be given is the subclass's to declare.</summary>
    public abstract string[] Name { get; set; }

    /// <summary>Identities of VMs.</summary>
    [Parameter(Mandatory = true, ParameterSetName = ById, ValueFromPipelineByPropertyName = true)]
    [Alias("VmId")]
    public Guid[] Id { get; set; } = [];

    /// <summary>VM objects, as Get-MigrationVm writes them. The VM is found by its id, wherever it is now.</summary>
    [Parameter(Mandatory = true, ParameterSetName = ByVm, ValueFromPipeline = true)]
    [Alias("Vm")]
    public MigrationVm[] InputObject { get; set; } = [];

    /// <summary>Hosts to look on; null for all hosts of this session. Its other names are the subclass's to declare.</summary>
    public abstract MigrationHostReference[]? HostName { get; set; }

    /// <summary>Hosts that VMs are looked for on by name or id; null for all of this session.</summary>
    private protected virtual MigrationHostReference[]? SearchedHosts => HostName;

    /// <summary>Finds the chosen VMs and processes each.</summary>
    protected override void ProcessRecord()
    {
        MigrationHostReference[]? hosts = SearchedHosts;
        switch (ParameterSetName)
        {
            case ById:
                foreach (Guid id in Id) Process(id, token => VmLookup.FindByIdAsync(id, hosts, token));
                break;
            case ByVm:
                foreach (MigrationVm vm in InputObject) Process(vm, token => VmLookup.FindByIdAsync(vm.Id, null, token));
                break;
            default:
                foreach (string name in Name) Process(name, token => VmLookup.FindByNameAsync(name, hosts, limit: null, token));
                break;
        }
    }

    /// <summary>Does the cmdlet's work with one VM; <paramref name="target"/> is what the user named it by, for error records.</summary>
    private protected abstract void ProcessVm(LocatedVm vm, object target);

    private void Process(object target, Func<CancellationToken, Task<HostAnswers<LocatedVm>>> find)
    {
        foreach (LocatedVm vm in AttemptSearch(target, find)) ProcessVm(vm, target);
    }
}
