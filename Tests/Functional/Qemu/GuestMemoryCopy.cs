using System.IO.Hashing;
using VmMigration.Engine.Memory;

namespace VmMigration.Functional.Tests.Qemu;

/// <summary>Reads and copies the memory of a guest in the plainest way, as an oracle for the engine's own ways.</summary>
internal static class GuestMemoryCopy
{
    /// <summary>One hash per page.</summary>
    public static ulong[] HashPages(GuestMemory memory)
    {
        var hashes = new ulong[memory.PageCount];
        byte[] page = new byte[GuestMemory.PageSizeBytes];
        for (long number = 0; number < memory.PageCount; number++)
        {
            int count = memory.TryRead(number << GuestMemory.PageShift, page);
            if (count != page.Length) throw new IOException($"Page {number} cannot be read.");
            hashes[number] = XxHash3.HashToUInt64(page);
        }

        return hashes;
    }

    /// <summary>Copies every extent that may hold data.</summary>
    public static void CopyData(GuestMemory source, GuestMemory destination)
    {
        byte[] buffer = new byte[1 << 20];
        long offset = 0;
        while (source.TryFindData(offset, out long start, out long end))
        {
            for (offset = start; offset < end; offset += buffer.Length)
            {
                Span<byte> part = buffer.AsSpan(0, (int)Math.Min(buffer.Length, end - offset));
                if (source.TryRead(offset, part) != part.Length) throw new IOException($"Memory at {offset} cannot be read.");
                destination.Write(offset, part);
            }

            offset = end;
        }
    }
}
