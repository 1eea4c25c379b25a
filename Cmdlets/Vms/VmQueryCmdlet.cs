using System.Management.Automation;
using VmMigration.Engine;

namespace VmMigration.Cmdlets;

/// <summary>Base of the cmdlets that look at VMs, chosen also by their host; at all of them where nothing is chosen.</summary>
public abstract class VmQueryCmdlet : VmChoiceCmdlet
{
    internal const string ByHost = "Host";

    /// <summary>Names of VMs; wildcards are allowed. Without it, all VMs.</summary>
    [Parameter(Position = 0, ParameterSetName = ByName, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [Parameter(Position = 0, ParameterSetName = ByHost)]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(VmNameCompleter))]
    [Alias("VmName")]
    public override string[] Name { get; set; } = ["*"];

    /// <summary>A host object whose VMs are meant.</summary>
    [Parameter(Mandatory = true, ParameterSetName = ByHost, ValueFromPipeline = true)]
    public MigrationHost MigrationHost { get; set; } = null!;

    /// <summary>Hosts to look on, by name (wildcards are allowed) or as objects. Without it, all hosts of this session.</summary>
    [Parameter(ParameterSetName = ByName, ValueFromPipelineByPropertyName = true)]
    [Parameter(ParameterSetName = ById, ValueFromPipelineByPropertyName = true)]
    [ArgumentCompleter(typeof(HostNameCompleter))]
    public override MigrationHostReference[]? HostName { get; set; }

    private protected override MigrationHostReference[]? SearchedHosts =>
        ParameterSetName == ByHost ? [new(MigrationHost)] : HostName;

    /// <summary>
    /// Reads something about a VM. One that a pattern found, not its name, and that is gone since, or whose host another runspace closed, is
    /// left out without a word, as it would have been a moment later.
    /// </summary>
    /// <returns>Whether <paramref name="read"/> is to be shown; false also where an error was written.</returns>
    private protected bool AttemptRead<T>(LocatedVm vm, object target, Func<CancellationToken, Task<T>> work, out T? read)
    {
        T? result = default;
        bool gone = false;
        bool succeeded = Attempt(target, async token =>
        {
            try
            {
                result = await work(token).ConfigureAwait(false);
            }
            catch (MigrationException exception) when (
                IsPattern(target) && (exception.Reason == MigrationErrorReason.VmNotFound || !HostRegistry.IsOpen(vm.Host)))
            {
                gone = true;
            }
        });
        read = result;
        return succeeded && !gone;
    }

    private static bool IsPattern(object target) => target is string name && WildcardPattern.ContainsWildcardCharacters(name);
}
