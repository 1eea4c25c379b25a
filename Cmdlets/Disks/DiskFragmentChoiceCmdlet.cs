using System.Management.Automation;

namespace VmMigration.Cmdlets;

/// <summary>Base of the cmdlets whose disk fragments are chosen by the disk's path or by id.</summary>
public abstract class DiskFragmentChoiceCmdlet : MigrationCmdlet
{
    internal const string ByPath = "Path";
    internal const string ById = "Id";

    /// <summary>Paths of disks, or names of their files; wildcards are allowed. Whether one must be given is the subclass's to declare.</summary>
    public abstract string[] Path { get; set; }

    /// <summary>Ids of fragments. Objects of Get-DiskFragment bind by it.</summary>
    [Parameter(Mandatory = true, ParameterSetName = ById, ValueFromPipelineByPropertyName = true)]
    [ArgumentCompleter(typeof(DiskFragmentIdCompleter))]
    [Alias("FragmentId")]
    public Guid[] Id { get; set; } = [];

    /// <summary>Hosts that keep fragments, by name (wildcards are allowed) or as objects. Without it, all hosts of this session.</summary>
    [Parameter(ParameterSetName = ByPath)]
    [ArgumentCompleter(typeof(HostNameCompleter))]
    public MigrationHostReference[]? HostName { get; set; }

    /// <summary>Finds the fragments that each argument chose, and processes them.</summary>
    protected override void ProcessRecord()
    {
        if (ParameterSetName == ById)
        {
            foreach (Guid id in Id) Process(id, token => DiskFragmentLookup.FindByIdAsync(id, token));
            return;
        }

        foreach (string path in Path) Process(path, token => DiskFragmentLookup.FindByPathAsync(path, HostName, limit: null, token));
    }

    /// <summary>Does the cmdlet's work with one fragment.</summary>
    private protected abstract void ProcessFragment(LocatedDiskFragment fragment);

    private void Process(object target, Func<CancellationToken, Task<HostAnswers<LocatedDiskFragment>>> find)
    {
        foreach (LocatedDiskFragment fragment in AttemptSearch(target, find)) ProcessFragment(fragment);
    }
}
