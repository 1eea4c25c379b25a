using System.Globalization;
using System.Text;

namespace VmMigration.Engine.Hypervisors.Qemu;

/// <summary>
/// Writes an archive in the "new ASCII" format of cpio(5), which the Linux kernel unpacks as its initial file system. Everything in it
/// belongs to root and is dated 1970, so that equal contents make equal archives.
/// </summary>
internal sealed class NewcArchive(Stream destination)
{
    private const int DirectoryType = 0x4000;
    private const int FileType = 0x8000;
    private int lastInode;

    /// <summary>Adds a directory; those above it must have been added before.</summary>
    public void AddDirectory(string name) => AddEntry(name, DirectoryType | 0b111_101_101, []);

    /// <summary>Adds a file that everyone may read and run.</summary>
    public void AddFile(string name, ReadOnlySpan<byte> contents) => AddEntry(name, FileType | 0b111_101_101, contents);

    /// <summary>Ends the archive; nothing may be added afterwards.</summary>
    public void Finish() => AddEntry("TRAILER!!!", 0, []);

    private void AddEntry(string name, int mode, ReadOnlySpan<byte> contents)
    {
        byte[] nameBytes = Encoding.ASCII.GetBytes(name + '\0');
        int inode = ++lastInode;

        // The fields after the magic: inode, mode, user, group, links, time, size, the device's two numbers, those of a device node,
        // length of the name, checksum (unused in this variant).
        int[] fields = [inode, mode, 0, 0, 1, 0, contents.Length, 0, 0, 0, 0, nameBytes.Length, 0];
        string header = "070701" + string.Concat(fields.Select(field => field.ToString("X8", CultureInfo.InvariantCulture)));
        destination.Write(Encoding.ASCII.GetBytes(header));
        destination.Write(nameBytes);
        Pad(header.Length + nameBytes.Length);
        destination.Write(contents);
        Pad(contents.Length);
    }

    // Header with name, and contents, each end on a multiple of four bytes.
    private void Pad(int written) => destination.Write(stackalloc byte[(4 - written % 4) % 4]);
}
