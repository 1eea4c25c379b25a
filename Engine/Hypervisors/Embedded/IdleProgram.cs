namespace VmMigration.Engine.Hypervisors.Embedded;

/// <summary>Counts timer ticks and writes nothing.</summary>
internal sealed class IdleProgram : GuestProgram
{
    /// <inheritdoc/>
    public override GuestProgramKind Kind => GuestProgramKind.Idle;

    /// <inheritdoc/>
    public override bool WritesMemory => false;

    /// <summary>A usual tick of a Linux guest (CONFIG_HZ_250): an idle VM must not keep a processor busy.</summary>
    public override long DefaultStepsPerSecond => 250;

    /// <inheritdoc/>
    public override BatchEnd Run<TAccess>(ref VcpuRegisters registers, in GuestShare share, TAccess access, long steps)
    {
        registers.Steps += steps;
        return new(steps);
    }

    /// <inheritdoc/>
    public override VcpuRegisters RegistersAfter(in VcpuRegisters initial, in GuestShare share, long steps) =>
        initial with { Steps = steps };
}
