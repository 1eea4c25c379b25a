namespace VmMigration.Engine.Hypervisors.Embedded;

/// <summary>Writes its share word by word from start to end, over and over, with other values each time.</summary>
internal sealed unsafe class SequentialWriter : GuestProgram
{
    /// <inheritdoc/>
    public override GuestProgramKind Kind => GuestProgramKind.SequentialWriter;

    /// <inheritdoc/>
    public override void Run<TMark>(ref VcpuRegisters registers, in GuestShare share, TMark mark, long steps)
    {
        long cursor = registers.Cursor;
        ulong value = registers.RandomState + ((ulong)registers.Steps * RandomIncrement);
        long offset = share.OffsetBytes;
        for (long left = steps; left > 0;)
        {
            long end = Math.Min(share.WordCount, cursor + left);
            left -= end - cursor;

            // SAFETY: the cursor stays below the share's word count.
            for (; cursor < end; cursor++)
            {
                share.Words[cursor] = value;
                mark.Mark(offset + (cursor * sizeof(ulong)));
                value += RandomIncrement;
            }

            if (cursor == share.WordCount) cursor = 0;
        }

        registers.Steps += steps;
        registers.Cursor = cursor;
    }

    /// <inheritdoc/>
    public override VcpuRegisters RegistersAfter(in VcpuRegisters initial, in GuestShare share, long steps) =>
        initial with { Steps = steps, Cursor = steps % share.WordCount };
}
