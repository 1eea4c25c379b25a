using System.Management.Automation;
using VmMigration.Engine.Hosts;

namespace VmMigration.Cmdlets;

/// <summary>Lets paused VMs run on.</summary>
/// <example>
/// <code>Resume-MigrationVm web01 -PassThru</code>
/// <para>Resumes one VM and writes it.</para>
/// </example>
[Cmdlet(VerbsLifecycle.Resume, "MigrationVm", DefaultParameterSetName = ByName, SupportsShouldProcess = true)]
[OutputType(typeof(MigrationVm))]
public sealed class ResumeMigrationVmCommand : VmStateCmdlet
{
    private protected override string ActionTitle => "Resume VM";

    private protected override Task<VmDescription> ChangeAsync(LocatedVm vm, CancellationToken cancellationToken) =>
        vm.Host.ResumeVmAsync(vm.Id, cancellationToken);
}
