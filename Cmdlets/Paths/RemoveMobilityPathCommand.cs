using System.Management.Automation;
using VmMigration.Engine.Hosts;

namespace VmMigration.Cmdlets;

/// <summary>Removes mobility paths that no migration uses, with everything their hosts' kernels have for them.</summary>
/// <remarks>The path of a migration goes by itself when that ends; until then removing it is an error.</remarks>
/// <example>
/// <code>Get-MobilityPath | Where-Object State -ne InUse | Remove-MobilityPath</code>
/// <para>Removes all paths that nothing uses.</para>
/// </example>
[Cmdlet(VerbsCommon.Remove, "MobilityPath", DefaultParameterSetName = ById, SupportsShouldProcess = true)]
public sealed class RemoveMobilityPathCommand : MobilityPathCmdlet
{
    private protected override void ProcessPath(MobilityPath path)
    {
        if (!ShouldProcess($"{path}, {path.Id}", "Remove path")) return;
        Attempt(path, token => MobilityPathBroker.RemoveAsync(path.Id, MobilityPathLookup.HostsOf(path), token));
    }
}
