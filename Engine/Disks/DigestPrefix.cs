using System.IO.Hashing;

namespace VmMigration.Engine.Disks;

/// <summary>What stands for the digests of the first blocks of a disk, as they grow in number.</summary>
internal sealed class DigestPrefix
{
    private readonly XxHash128 hash = new();

    /// <summary>How many blocks it stands for.</summary>
    public long Blocks { get; private set; }

    /// <summary>How often blocks had been taken out of the disk when it was begun.</summary>
    public long Removals { get; init; }

    /// <summary>32 hexadecimal digits.</summary>
    public string Current => Convert.ToHexStringLower(hash.GetCurrentHash());

    /// <summary>Takes the digests of the next blocks in.</summary>
    public void Append(ReadOnlySpan<byte> digests, long end)
    {
        hash.Append(digests);
        Blocks = end;
    }
}
