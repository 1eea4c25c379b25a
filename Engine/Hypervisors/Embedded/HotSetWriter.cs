namespace VmMigration.Engine.Hypervisors.Embedded;

/// <summary>Writes random words; nine of ten writes go to the first tenth of its share.</summary>
internal sealed unsafe class HotSetWriter : GuestProgram
{
    private const int HotTenths = 9;

    /// <inheritdoc/>
    public override GuestProgramKind Kind => GuestProgramKind.HotSetWriter;

    /// <inheritdoc/>
    public override BatchEnd Run<TAccess>(ref VcpuRegisters registers, in GuestShare share, TAccess access, long steps)
    {
        ulong* words = share.Words;
        ulong hotWords = (ulong)share.WordCount / 10;
        ulong coldWords = (ulong)share.WordCount - hotWords;
        long offset = share.OffsetBytes;
        ulong state = registers.RandomState;
        BatchEnd end = new(steps);
        for (long left = steps; left > 0; left--)
        {
            ulong nextState = state + RandomIncrement;
            ulong random = Mix(nextState);

            // One draw serves twice: its first decimal digit says where to, the fraction after it which word there.
            ulong digit = Math.BigMul(random, 10UL, out ulong fraction);
            bool hot = digit < HotTenths;
            ulong word = Math.BigMul(fraction, hot ? hotWords : coldWords, out _) + (hot ? 0 : hotWords);
            long writeOffset = offset + ((long)word * sizeof(ulong));
            if (!access.AdmitsWrite(writeOffset))
            {
                end = new(steps - left, writeOffset, RefusedWrite: true);
                break;
            }

            // SAFETY: the upper half of fraction × count is below count, so the word lies inside the share.
            words[word] = random;
            access.Wrote(writeOffset);
            state = nextState;
        }

        registers.RandomState = state;
        registers.Steps += end.Steps;
        return end;
    }

    /// <inheritdoc/>
    public override VcpuRegisters RegistersAfter(in VcpuRegisters initial, in GuestShare share, long steps) =>
        initial with { Steps = steps, RandomState = initial.RandomState + ((ulong)steps * RandomIncrement) };
}
