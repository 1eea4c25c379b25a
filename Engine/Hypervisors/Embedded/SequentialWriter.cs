namespace VmMigration.Engine.Hypervisors.Embedded;

/// <summary>Writes its share word by word from start to end, over and over, with other values each time.</summary>
internal sealed unsafe class SequentialWriter : GuestProgram
{
    /// <inheritdoc/>
    public override GuestProgramKind Kind => GuestProgramKind.SequentialWriter;

    /// <inheritdoc/>
    public override BatchEnd Run<TAccess>(ref VcpuRegisters registers, in GuestShare share, TAccess access, long steps)
    {
        long cursor = registers.Cursor;
        ulong value = registers.RandomState + ((ulong)registers.Steps * RandomIncrement);
        long offset = share.OffsetBytes;
        BatchEnd ended = new(steps);
        for (long left = steps; left > 0 && !ended.IsRefused;)
        {
            long end = Math.Min(share.WordCount, cursor + left);
            left -= end - cursor;

            // SAFETY: the cursor stays below the share's word count.
            for (; cursor < end; cursor++)
            {
                long writeOffset = offset + (cursor * sizeof(ulong));
                if (!access.AdmitsWrite(writeOffset))
                {
                    ended = new(steps - left - (end - cursor), writeOffset, RefusedWrite: true);
                    break;
                }

                share.Words[cursor] = value;
                access.Wrote(writeOffset);
                value += RandomIncrement;
            }

            if (cursor == share.WordCount) cursor = 0;
        }

        registers.Steps += ended.Steps;
        registers.Cursor = cursor;
        return ended;
    }

    /// <inheritdoc/>
    public override VcpuRegisters RegistersAfter(in VcpuRegisters initial, in GuestShare share, long steps) =>
        initial with { Steps = steps, Cursor = steps % share.WordCount };
}
