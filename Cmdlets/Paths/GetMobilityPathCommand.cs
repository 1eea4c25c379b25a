using System.Management.Automation;

namespace VmMigration.Cmdlets;

/// <summary>Gets the mobility paths that hosts of this session have ends of, oldest first.</summary>
/// <remarks>The objects are snapshots: pipe one into Get-MobilityPath to refresh it.</remarks>
/// <example>
/// <code>Get-MobilityPath -HostName kvm01 | Where-Object State -eq InUse</code>
/// <para>Lists the paths of a host that migrations use.</para>
/// </example>
/// <example>
/// <code>(Get-MobilityPath).Ends | Select-Object HostName, Role, Resources</code>
/// <para>Shows what the hosts' kernels have for each path.</para>
/// </example>
[Cmdlet(VerbsCommon.Get, "MobilityPath", DefaultParameterSetName = ByHost)]
[OutputType(typeof(MobilityPath))]
public sealed class GetMobilityPathCommand : MigrationCmdlet
{
    private const string ByHost = "Host";
    private const string ById = "Id";

    /// <summary>Ids of paths. Objects of New-MobilityPath and Get-MobilityPath bind by it.</summary>
    [Parameter(Mandatory = true, ParameterSetName = ById, ValueFromPipelineByPropertyName = true)]
    [ArgumentCompleter(typeof(MobilityPathIdCompleter))]
    [Alias("PathId")]
    public Guid[] Id { get; set; } = [];

    /// <summary>Names of hosts with an end of the path; wildcards are allowed. Without it, those of all hosts.</summary>
    [Parameter(Position = 0, ParameterSetName = ByHost)]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(HostNameCompleter))]
    public string[] HostName { get; set; } = ["*"];

    /// <summary>Writes the paths that were chosen.</summary>
    protected override void ProcessRecord()
    {
        if (ParameterSetName == ById)
        {
            foreach (Guid id in Id) WriteObject(AttemptSearch(id, token => MobilityPathLookup.FindByIdAsync(id, token)), true);
            return;
        }

        HashSet<string> names = new(StringComparer.OrdinalIgnoreCase);
        foreach (string pattern in HostName)
        {
            Attempt(pattern, _ =>
            {
                names.UnionWith(HostRegistry.Find(pattern).Select(host => host.Name));
                return Task.CompletedTask;
            });
        }

        if (names.Count == 0) return;
        IReadOnlyList<MobilityPath> paths = AttemptSearch("*", token => MobilityPathLookup.FindAllAsync(limit: null, token));
        WriteObject(paths.Where(path => path.Ends.Any(end => names.Contains(end.HostName))), enumerateCollection: true);
    }
}
