using VmMigration.Engine.Memory;

namespace VmMigration.Engine.Hypervisors.Qemu;

/// <summary>
/// RAM of a guest that the engine cannot reach, because it is no shared file: it has a size, and every access throws
/// <see cref="MigrationErrorReason.InvalidState"/>. Only QEMU's own migration moves it.
/// </summary>
internal sealed class UnreachableMemory(long sizeBytes, string reason) : GuestMemory(sizeBytes)
{
    /// <inheritdoc/>
    public override int TryRead(long offset, Span<byte> destination) => throw Failure();

    /// <inheritdoc/>
    public override void Write(long offset, ReadOnlySpan<byte> source) => throw Failure();

    /// <inheritdoc/>
    public override Span<byte> ReceiveWindow(long offset, int lengthBytes) => throw Failure();

    /// <inheritdoc/>
    public override bool TryFindData(long offset, out long start, out long end) => throw Failure();

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        // There is nothing to unmap.
    }

    private MigrationException Failure() => new(
        MigrationErrorReason.InvalidState, $"The guest's memory cannot be reached from outside: {reason}",
        "Use the hypervisor's own migration, without verification of the memory.");
}
