using System.Management.Automation;

namespace VmMigration.Cmdlets;

/// <summary>Shows how the writes of migrating VMs are traced, and what that costs the guests.</summary>
/// <remarks>
/// Of each VM's migrations the one under way is shown as it stands, else the last as it ended. The objects are snapshots: run the cmdlet
/// again to see how a migration goes on. Passes holds what each pass sent and what was written meanwhile.
/// </remarks>
/// <example>
/// <code>Get-WriteTrace web01</code>
/// <para>Shows mechanism, granularity, faults and the time the guest of a VM waited for them.</para>
/// </example>
/// <example>
/// <code>Start-VmMigration web01 kvm02 -WriteTraceGranularity 2MB -Wait | Get-WriteTrace | ForEach-Object Passes</code>
/// <para>Migrates with traces of 2 MiB and shows how much was written during each pass.</para>
/// </example>
[Cmdlet(VerbsCommon.Get, "WriteTrace", DefaultParameterSetName = ByName)]
[OutputType(typeof(VmWriteTrace))]
public sealed class GetWriteTraceCommand : MigrationQueryCmdlet
{
    private protected override void WriteMigrations(IReadOnlyList<LocatedMigration> migrations)
    {
        foreach (LocatedMigration migration in MigrationLookup.PresentOnes(migrations)) WriteObject(VmWriteTrace.From(migration.Status));
    }
}
