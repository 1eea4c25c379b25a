using Microsoft.Win32.SafeHandles;
using VmMigration.Engine.Native;

namespace VmMigration.Engine.Disks;

/// <summary>
/// Disk images on this machine: what they are, and how they are opened. A file is qcow2 where it begins with that format's magic, is refused
/// where it begins with that of a format which is not handled, and is raw otherwise; a guest that writes such a beginning onto a raw disk
/// gets no more by it than a copy of its own bytes, unless what is inside is asked for. Formats of images below an overlay are only taken from
/// its header, never guessed.
/// </summary>
internal static class DiskImage
{
    private const int MagicBytes = 16;

    // raw-posix of QEMU: each permission a process has on an image is a shared lock on the byte of its number from here on.
    private const int PermissionLocksOffset = 100;
    private const int WritePermission = 1;
    private const int ResizePermission = 3;

    /// <summary>Describes an image.</summary>
    /// <param name="hostName">The host it is on.</param>
    /// <param name="path">Absolute path.</param>
    /// <param name="cancellationToken">Cancels it.</param>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.DiskNotFound"/>, <see cref="MigrationErrorReason.DiskFormatUnsupported"/>,
    /// <see cref="MigrationErrorReason.AccessDenied"/>, <see cref="MigrationErrorReason.PrerequisiteMissing"/>.
    /// </exception>
    public static async Task<DiskDescription> DescribeAsync(string hostName, string path, CancellationToken cancellationToken)
    {
        string resolved = Resolve(path);
        FileStatus status = FileStatus.TryRead(resolved) ?? throw NotFound(hostName, path);
        if (!status.IsRegular)
        {
            throw new MigrationException(
                MigrationErrorReason.DiskFormatUnsupported, $"'{resolved}' on host '{hostName}' is no regular file.",
                "Name an image file: devices and directories are not copied.");
        }

        bool isBeingWritten;
        DiskFormat format;
        using (SafeFileHandle file = OpenFile.ForReading(resolved))
        {
            format = ReadFormat(file, resolved);
            isBeingWritten = OpenFileLock.IsHeld(file, PermissionLocksOffset + WritePermission)
                || OpenFileLock.IsHeld(file, PermissionLocksOffset + ResizePermission);
        }

        QemuImageInfo? info = format == DiskFormat.Raw
            ? null
            : await QemuImage.InspectAsync(resolved, format, cancellationToken).ConfigureAwait(false);
        if (info is not null) RequireWhole(info, resolved);
        IReadOnlyList<string> below = info?.BackingFileName is null
            ? [] : await ImageChain.TryFollowAsync(resolved, info, cancellationToken).ConfigureAwait(false) ?? [];
        return new()
        {
            HostName = hostName,
            Path = resolved,
            Format = format,
            VirtualSizeBytes = info?.VirtualSizeBytes ?? status.SizeBytes,
            AllocatedBytes = status.AllocatedBytes,
            Generation = ImageChain.ReadGeneration(GenerationOf(status), below),
            BackingPath = info?.FullBackingFileName ?? info?.BackingFileName,
            BackingFormat = QemuImage.FormatOf(info?.BackingFormat),
            IsBeingWritten = isBeingWritten,
        };
    }

    /// <summary>What tells whether a file is written to.</summary>
    /// <param name="path">Absolute path.</param>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.DiskChanged"/> where it is gone.</exception>
    public static DiskGeneration ReadGeneration(string path) => GenerationOf(FileStatus.TryRead(path) ?? throw new MigrationException(
        MigrationErrorReason.DiskChanged, $"'{path}' was removed while it was copied.", "Put the image back, and start the transfer again."));

    /// <summary>What tells whether a file is written to.</summary>
    public static DiskGeneration GenerationOf(FileStatus status) =>
        new(status.SizeBytes, status.DeviceId, status.Inode, status.ModifiedNanoseconds, status.ChangedNanoseconds);

    private static string Resolve(string path)
    {
        try
        {
            // Of directories too: the path is the disk's identity.
            string full = Path.GetFullPath(path);
            string directory = Path.GetDirectoryName(full) is { } parent
                ? new DirectoryInfo(parent).ResolveLinkTarget(returnFinalTarget: true)?.FullName ?? parent
                : full;
            string file = Path.Combine(directory, Path.GetFileName(full));
            return File.ResolveLinkTarget(file, returnFinalTarget: true)?.FullName ?? file;
        }
        catch (IOException)
        {
            // Nothing is there, or links that lead in a circle: what is opened next says so.
            return path;
        }
    }

    private static DiskFormat ReadFormat(SafeFileHandle file, string path)
    {
        Span<byte> magic = stackalloc byte[MagicBytes];
        int count = PositionalIo.ReadFully(file, 0, magic, out int errno);
        if (errno != 0) throw Errno.Failure(errno, "pread", $"{path}, 0x0+0x{MagicBytes:x}");
        ReadOnlySpan<byte> head = magic[..count];
        if (head.StartsWith("QFI"u8) && count > 3 && head[3] == 0xfb) return DiskFormat.Qcow2;
        string? other = NameOther(head);
        return other is null ? DiskFormat.Raw : throw new MigrationException(
            MigrationErrorReason.DiskFormatUnsupported, $"'{path}' is a {other} image; raw and qcow2 are handled.",
            "Convert it first, with 'qemu-img convert'.");
    }

    /// <summary>The format that a file begins as, of those that are not handled; null for none.</summary>
    private static string? NameOther(ReadOnlySpan<byte> head)
    {
        if (head.StartsWith("KDMV"u8) || head.StartsWith("COWD"u8) || head.StartsWith("# Disk Descripto"u8)) return "VMDK";
        if (head.StartsWith("<<< "u8)) return "VDI";
        if (head.StartsWith("vhdxfile"u8)) return "VHDX";
        if (head.StartsWith("conectix"u8)) return "VHD";
        if (head.StartsWith("QED\0"u8)) return "QED";
        if (head.StartsWith("WithoutFreeSpace"u8) || head.StartsWith("WithouFreSpacExt"u8)) return "Parallels";
        return head.StartsWith("LUKS"u8) && head.Length > 5 && head[4] == 0xba && head[5] == 0xbe ? "LUKS" : null;
    }

    /// <summary>Refuses an image whose contents are not all its own, or cannot be read.</summary>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.DiskFormatUnsupported"/>.</exception>
    public static void RequireWhole(QemuImageInfo info, string path)
    {
        string? obstacle = info.IsEncrypted ? "is encrypted"
            : info.FormatSpecific?.Text("data-file") is { } data ? $"keeps its contents in another file, '{data}'"
            : info.FormatSpecific?.Says("corrupt") == true ? "is marked as corrupt" : null;
        if (obstacle is null) return;
        throw new MigrationException(
            MigrationErrorReason.DiskFormatUnsupported, $"'{path}' {obstacle}.", "Convert or repair it first, with qemu-img.");
    }

    private static MigrationException NotFound(string hostName, string path) => new(
        MigrationErrorReason.DiskNotFound, $"Host '{hostName}' has no disk image '{path}'.", "Look at the path and at the host's datastore.");
}
