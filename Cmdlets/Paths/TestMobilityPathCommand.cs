using System.Globalization;
using System.Management.Automation;
using VmMigration.Engine.Hosts;

namespace VmMigration.Cmdlets;

/// <summary>Measures the round trip over a mobility path, or says what hosts lack for one. Changes nothing.</summary>
/// <example>
/// <code>New-MobilityPath Overlay kvm01 kvm02 | Test-MobilityPath</code>
/// <para>Makes a path and reaches over it from the source to the destination.</para>
/// </example>
/// <example>
/// <code>if (Test-MobilityPath -Kind Nat kvm01 kvm02 -GatewayHost gw01 -Quiet) { 'ready' }</code>
/// <para>Asks whether such a path could be made, for a script.</para>
/// </example>
[Cmdlet(VerbsDiagnostic.Test, "MobilityPath", DefaultParameterSetName = ById)]
[OutputType(typeof(MobilityPathCheck), typeof(bool))]
public sealed class TestMobilityPathCommand : MobilityPathCmdlet
{
    private const string ByKind = "Kind";

    /// <summary>The kind of path to look at the prerequisites of.</summary>
    [Parameter(Mandatory = true, ParameterSetName = ByKind)]
    public MobilityPathKind Kind { get; set; }

    /// <summary>The host that VMs leave, by name or as an object.</summary>
    [Parameter(Mandatory = true, Position = 0, ParameterSetName = ByKind)]
    [ArgumentCompleter(typeof(HostNameCompleter))]
    public MigrationHostReference SourceHost { get; set; } = null!;

    /// <summary>The host that VMs go to, by name or as an object.</summary>
    [Parameter(Mandatory = true, Position = 1, ParameterSetName = ByKind)]
    [ArgumentCompleter(typeof(HostNameCompleter))]
    public MigrationHostReference DestinationHost { get; set; } = null!;

    /// <summary>The host between them whose kernel rewrites the addresses; Nat needs one, the other kinds take none.</summary>
    [Parameter(ParameterSetName = ByKind)]
    [ArgumentCompleter(typeof(HostNameCompleter))]
    public MigrationHostReference? GatewayHost { get; set; }

    /// <summary>Write only true or false: whether everything is as it should be.</summary>
    [Parameter]
    public SwitchParameter Quiet { get; set; }

    /// <summary>Looks at each path that was chosen, or at what hosts have for one.</summary>
    protected override void ProcessRecord()
    {
        if (ParameterSetName == ById) base.ProcessRecord();
        else ProcessKind();
    }

    private protected override void ProcessPath(MobilityPath path)
    {
        TimeSpan? roundTrip = null;
        if (!Attempt(path, async (_, token) => roundTrip = await MobilityPathBroker.TestAsync(
            path.Id, HostRegistry.Get(path.SourceHostName), token).ConfigureAwait(false)))
        {
            return;
        }

        Write([new(path.Kind, path.SourceHostName, path.DestinationHostName, "RoundTrip", roundTrip is not null, roundTrip is { } time
            ? string.Create(CultureInfo.InvariantCulture, $"{path.DestinationHostName} answered after {time.TotalMilliseconds:F2} ms.")
            : $"{path.DestinationHostName} did not answer.")
        {
            RoundTripTime = roundTrip,
            RecommendedAction = roundTrip is null
                ? "Look at the path's ends with Get-MobilityPath, and at the firewalls between the hosts; remove it and make another."
                : null,
        }]);
    }

    private void ProcessKind()
    {
        IReadOnlyList<Engine.Migration.PreflightFinding>? findings = Attempt(DestinationHost.Name, token => MobilityPathBroker.CheckAsync(
            (Engine.Paths.MobilityPathKind)Kind, HostRegistry.Get(SourceHost.Name), HostRegistry.Get(DestinationHost.Name),
            GatewayHost is null ? null : HostRegistry.Get(GatewayHost.Name), token));
        if (findings is null) return;
        MobilityPathCheck CheckOf(string name, bool passed, string message, string? action) =>
            new(Kind, SourceHost.Name, DestinationHost.Name, name, passed, message) { RecommendedAction = action };
        Write(findings.Count == 0
            ? [CheckOf("Prerequisites", true, $"A path of kind {Kind} can be made.", null)]
            : [.. findings.Select(finding => CheckOf(
                finding.Check, finding.Severity != Engine.Migration.PreflightSeverity.Error, finding.Message, finding.RecommendedAction))]);
    }

    private void Write(IReadOnlyList<MobilityPathCheck> checks)
    {
        if (Quiet) WriteObject(checks.All(check => check.Passed));
        else WriteObject(checks, enumerateCollection: true);
    }
}
