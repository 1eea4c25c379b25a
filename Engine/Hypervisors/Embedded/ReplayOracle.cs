using VmMigration.Engine.Memory;

namespace VmMigration.Engine.Hypervisors.Embedded;

/// <summary>
/// Tells whether a paused VM holds exactly what its program must have left there: runs the same program again from the start, to the same
/// step of each vCPU, on memory of its own, one vCPU after the other, and compares every byte and register. It takes as long as the program
/// took flat out, and as much memory as the program wrote.
/// </summary>
public static class ReplayOracle
{
    private const int BlockBytes = 1 << 20;
    private const long StepsBetweenChecks = 1 << 20;

    /// <summary>Replays and compares.</summary>
    /// <param name="guest">What the VM runs.</param>
    /// <param name="registers">Its registers, one element per vCPU; <see cref="VcpuRegisters.Steps"/> says how far to replay.</param>
    /// <param name="memory">Its memory; nothing may write it meanwhile.</param>
    /// <param name="cancellationToken">Stops the replay.</param>
    /// <returns>The first difference, registers before memory; null where there is none.</returns>
    public static ReplayDifference? FindDifference(
        EmbeddedGuest guest, IReadOnlyList<VcpuRegisters> registers, GuestMemory memory, CancellationToken cancellationToken)
    {
        EmbeddedSpecification.Check(
            new() { Name = "replay", MemoryBytes = memory.SizeBytes, VcpuCount = registers.Count, Embedded = guest });
        using var replay = new EmbeddedMemory(memory.SizeBytes, MemoryBacking.TransparentHugePages);
        for (int vcpu = 0; vcpu < registers.Count; vcpu++)
        {
            VcpuRegisters expected = Replay(guest, replay, vcpu, registers.Count, registers[vcpu].Steps, cancellationToken);
            if (Compare(vcpu, expected, registers[vcpu]) is { } difference) return difference;
        }

        return CompareMemory(replay, memory, cancellationToken);
    }

    private static unsafe VcpuRegisters Replay(
        EmbeddedGuest guest, EmbeddedMemory memory, int vcpu, int vcpuCount, long steps, CancellationToken cancellationToken)
    {
        GuestProgram program = GuestProgram.Of(guest.Program);
        GuestShare share = GuestShare.Of(memory.Start, guest.WorkingSetIn(memory.SizeBytes), vcpu, vcpuCount);
        VcpuRegisters registers = GuestProgram.InitialRegisters(guest.Seed, vcpu);
        while (registers.Steps < steps)
        {
            cancellationToken.ThrowIfCancellationRequested();
            program.Run(ref registers, share, default(FreeAccess), Math.Min(StepsBetweenChecks, steps - registers.Steps));
        }

        return registers;
    }

    private static ReplayDifference? Compare(int vcpu, VcpuRegisters expected, VcpuRegisters actual)
    {
        (string Name, ulong Expected, ulong Actual)[] all =
        [
            (nameof(VcpuRegisters.Steps), (ulong)expected.Steps, (ulong)actual.Steps),
            (nameof(VcpuRegisters.RandomState), expected.RandomState, actual.RandomState),
            (nameof(VcpuRegisters.Checksum), expected.Checksum, actual.Checksum),
            (nameof(VcpuRegisters.Cursor), (ulong)expected.Cursor, (ulong)actual.Cursor),
        ];
        foreach (var register in all)
        {
            if (register.Expected != register.Actual)
            {
                return new() { Vcpu = vcpu, Register = register.Name, Expected = register.Expected, Actual = register.Actual };
            }
        }

        return null;
    }

    /// <summary>Reads all of the VM's memory, holes too: an oracle does not take the word of what it judges.</summary>
    private static ReplayDifference? CompareMemory(EmbeddedMemory expected, GuestMemory actual, CancellationToken cancellationToken)
    {
        byte[] buffer = GC.AllocateUninitializedArray<byte>(BlockBytes);
        byte[] expectedBuffer = GC.AllocateUninitializedArray<byte>(BlockBytes);
        for (long offset = 0; offset < actual.SizeBytes; offset += BlockBytes)
        {
            cancellationToken.ThrowIfCancellationRequested();
            int length = (int)Math.Min(BlockBytes, actual.SizeBytes - offset);
            int count = actual.TryRead(offset, buffer.AsSpan(0, length));
            if (count < length)
            {
                throw new MigrationException(
                    MigrationErrorReason.HypervisorFailed, $"The guest's page at RAM offset 0x{offset + count:x} cannot be read.");
            }

            expected.TryRead(offset, expectedBuffer.AsSpan(0, length));
            int same = buffer.AsSpan(0, length).CommonPrefixLength(expectedBuffer.AsSpan(0, length));
            if (same < length)
            {
                return new() { OffsetBytes = offset + same, Expected = expectedBuffer[same], Actual = buffer[same] };
            }
        }

        return null;
    }
}
