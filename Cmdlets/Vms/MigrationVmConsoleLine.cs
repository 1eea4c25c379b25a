namespace VmMigration.Cmdlets;

/// <summary>A line that a VM's serial console wrote.</summary>
/// <param name="VmId">Identity of the VM.</param>
/// <param name="VmName">Name of the VM.</param>
/// <param name="HostName">The host it was on.</param>
/// <param name="Line">The line, without its end.</param>
public sealed record MigrationVmConsoleLine(Guid VmId, string VmName, string HostName, string Line)
{
    /// <summary>The line.</summary>
    public override string ToString() => Line;
}
