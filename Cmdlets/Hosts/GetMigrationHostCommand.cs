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

    /// <summary>Describes each host that matches; one that does not answer gives an error that names it.</summary>
    protected override void ProcessRecord()
    {
        foreach (string pattern in Name)
        {
            HostAnswers<(IMigrationHost Host, HostDescription Description)>? answers = Attempt(pattern, token =>
                HostRegistry.AskEachAsync(HostRegistry.Find(pattern), (host, asking) => host.DescribeAsync(asking), token));
            if (answers is null) continue;
            foreach ((IMigrationHost host, HostDescription description) in answers.Items) WriteObject(MigrationHost.From(host, description));
            foreach (HostFailure failure in answers.Failures) WriteHostFailure(failure, isError: true);
        }
    }
}
