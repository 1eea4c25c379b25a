using System.Numerics;

namespace VmMigration.Engine.Hypervisors.Embedded;

/// <summary>
/// Reads a random word into a running checksum and writes the checksum, scrambled, at another random place. One wrong byte of memory
/// therefore spreads: it changes the checksum when it is read, and everything written from then on.
/// </summary>
internal sealed unsafe class ChecksumKeeper : GuestProgram
{
    /// <inheritdoc/>
    public override GuestProgramKind Kind => GuestProgramKind.Checksum;

    /// <inheritdoc/>
    public override bool KeepsChecksum => true;

    /// <inheritdoc/>
    public override BatchEnd Run<TAccess>(ref VcpuRegisters registers, in GuestShare share, TAccess access, long steps)
    {
        ulong* words = share.Words;
        ulong wordCount = (ulong)share.WordCount;
        long offset = share.OffsetBytes;
        ulong state = registers.RandomState;
        ulong checksum = registers.Checksum;
        BatchEnd end = new(steps);
        for (long left = steps; left > 0; left--)
        {
            ulong nextState = state + RandomIncrement;
            ulong random = Mix(nextState);
            ulong from = Math.BigMul(random, wordCount, out _);
            ulong to = Math.BigMul(BitOperations.RotateLeft(random, 32), wordCount, out _);
            long readOffset = offset + ((long)from * sizeof(ulong));
            long writeOffset = offset + ((long)to * sizeof(ulong));
            if (!access.AdmitsRead(readOffset))
            {
                end = new(steps - left, readOffset);
                break;
            }

            if (!access.AdmitsWrite(writeOffset))
            {
                end = new(steps - left, writeOffset, RefusedWrite: true);
                break;
            }

            // SAFETY: the upper half of random × count is below count, so both words lie inside the share.
            checksum = (BitOperations.RotateLeft(checksum, 5) ^ words[from]) * 0x2545F4914F6CDD1D;
            words[to] = checksum ^ random;
            access.Wrote(writeOffset);
            state = nextState;
        }

        registers.RandomState = state;
        registers.Checksum = checksum;
        registers.Steps += end.Steps;
        return end;
    }

    /// <inheritdoc/>
    public override VcpuRegisters RegistersAfter(in VcpuRegisters initial, in GuestShare share, long steps) =>
        initial with { Steps = steps, RandomState = initial.RandomState + ((ulong)steps * RandomIncrement) };
}
