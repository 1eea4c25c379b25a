using System.Management.Automation;
using VmMigration.Engine.Hosts;

namespace VmMigration.Cmdlets;

/// <summary>Shuts VMs down through their guests, or ends them at once with -TurnOff. They stay defined.</summary>
/// <example>
/// <code>Stop-MigrationVm web01</code>
/// <para>Asks the guest to shut down and waits for it.</para>
/// </example>
/// <example>
/// <code>Stop-MigrationVm web* -HostName kvm01 -TurnOff -Force</code>
/// <para>Ends the VMs at once, like pulling the plug, without asking.</para>
/// </example>
[Cmdlet(VerbsLifecycle.Stop, "MigrationVm", DefaultParameterSetName = ByName, SupportsShouldProcess = true)]
[OutputType(typeof(MigrationVm))]
public sealed class StopMigrationVmCommand : VmStateCmdlet
{
    private bool yesToAll;
    private bool noToAll;

    /// <summary>End the VM at once, like pulling the plug. Asks for confirmation, unless -Force or -Confirm:$false is given.</summary>
    [Parameter]
    public SwitchParameter TurnOff { get; set; }

    /// <summary>Do not ask before turning off.</summary>
    [Parameter]
    public SwitchParameter Force { get; set; }

    private protected override string ActionTitle => TurnOff ? "Turn off VM" : "Shut down VM";

    private protected override Task<VmDescription> ChangeAsync(LocatedVm vm, CancellationToken cancellationToken) =>
        vm.Host.StopVmAsync(vm.Id, TurnOff, cancellationToken);

    // Only turning off has a high impact, and a cmdlet's declared impact is the same for every call: so this question is its own.
    private protected override bool IsAgreed(LocatedVm vm)
    {
        if (!TurnOff || Force || MyInvocation.BoundParameters.ContainsKey("Confirm")) return true;
        // Text where a script set the variable in a scope of its own.
        bool neverAsk = LanguagePrimitives.TryConvertTo(GetVariableValue("ConfirmPreference"), out ConfirmImpact preference)
            && preference == ConfirmImpact.None;
        if (neverAsk) return true;
        return ShouldContinue(
            $"Turn off {vm.Title}? What the guest has not written to disk is lost.", "Turn off VM", ref yesToAll, ref noToAll);
    }
}
