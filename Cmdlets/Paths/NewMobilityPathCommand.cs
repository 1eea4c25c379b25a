using System.Management.Automation;
using VmMigration.Engine.Hosts;

namespace VmMigration.Cmdlets;

/// <summary>Makes a mobility path between two hosts, for one migration that is started later.</summary>
/// <remarks>
/// Start-VmMigration -Path makes a path for its migration by itself: this cmdlet is for looking at one before. The path is made on all
/// hosts or on none. It goes with the migration that uses it, with Remove-MobilityPath, when a host of it is closed, and where nothing
/// uses it for ten minutes. Paths of kind Overlay and Nat need root on their hosts.
/// </remarks>
/// <example>
/// <code>New-MobilityPath Overlay kvm01 kvm02</code>
/// <para>Joins two hosts by a network that only one migration uses.</para>
/// </example>
/// <example>
/// <code>$path = New-MobilityPath Nat kvm01 kvm02 -GatewayHost gw01; Start-VmMigration web01 kvm02 -Path $path -Wait</code>
/// <para>Migrates over a gateway, by a path that was made before.</para>
/// </example>
[Cmdlet(VerbsCommon.New, "MobilityPath", SupportsShouldProcess = true)]
[OutputType(typeof(MobilityPath))]
public sealed class NewMobilityPathCommand : MigrationCmdlet
{
    /// <summary>Overlay or Nat. Direct is the hosts' ordinary network: nothing has to be made for it, and asking for it is an error.</summary>
    [Parameter(Mandatory = true, Position = 0)]
    public MobilityPathKind Kind { get; set; }

    /// <summary>The host that VMs leave, by name or as an object.</summary>
    [Parameter(Mandatory = true, Position = 1, ValueFromPipelineByPropertyName = true)]
    [ArgumentCompleter(typeof(HostNameCompleter))]
    [Alias("SourceHostName")]
    public MigrationHostReference SourceHost { get; set; } = null!;

    /// <summary>The host that VMs go to, by name or as an object.</summary>
    [Parameter(Mandatory = true, Position = 2, ValueFromPipelineByPropertyName = true)]
    [ArgumentCompleter(typeof(HostNameCompleter))]
    [Alias("DestinationHostName")]
    public MigrationHostReference DestinationHost { get; set; } = null!;

    /// <summary>The host between them whose kernel rewrites the addresses; Nat needs one, the other kinds take none.</summary>
    [Parameter]
    [ArgumentCompleter(typeof(HostNameCompleter))]
    public MigrationHostReference? GatewayHost { get; set; }

    /// <summary>Makes the path.</summary>
    protected override void ProcessRecord()
    {
        if (!ShouldProcess($"{SourceHost} → {DestinationHost}", $"Make {Kind} path")) return;
        Engine.Paths.MobilityPath? path = Attempt(DestinationHost.Name, token => MobilityPathBroker.CreateAsync(
            (Engine.Paths.MobilityPathKind)Kind, HostRegistry.Get(SourceHost.Name), HostRegistry.Get(DestinationHost.Name),
            GatewayHost is null ? null : HostRegistry.Get(GatewayHost.Name), token));
        if (path is not null) WriteObject(MobilityPath.From(path));
    }
}
