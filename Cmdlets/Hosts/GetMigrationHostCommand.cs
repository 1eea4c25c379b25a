using System.Management.Automation;
using VmMigration.Engine.Hosts;

namespace VmMigration.Cmdlets;

/// <summary>Gets the hosts of this session.</summary>
/// <remarks>The objects are snapshots: pipe one into Get-MigrationHost to refresh it.</remarks>
/// <example>
/// <code>Get-MigrationHost kvm*</code>
/// <para>Lists the hosts whose names start with kvm, with their present free memory.</para>
/// </example>
[Cmdlet(VerbsCommon.Get, "MigrationHost")]
[OutputType(typeof(MigrationHost))]
public sealed class GetMigrationHostCommand : MigrationCmdlet
{
    /// <summary>Names of hosts; wildcards are allowed. Without it, all hosts.</summary>
    [Parameter(Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(HostNameCompleter))]
    [Alias("HostName")]
    public string[] Name { get; set; } = ["*"];

    /// <summary>Describes each host that matches.</summary>
    protected override void ProcessRecord()
    {
        foreach (string pattern in Name)
        {
            Attempt(pattern, async (queue, token) =>
            {
                foreach (IMigrationHost host in HostRegistry.Find(pattern))
                {
                    MigrationHost snapshot = MigrationHost.From(await host.DescribeAsync(token).ConfigureAwait(false));
                    queue.Post(() => WriteObject(snapshot));
                }
            });
        }
    }
}
