using System.Globalization;
using System.Runtime.InteropServices;

namespace VmMigration.Engine.Native;

/// <summary>The machine's groups: getgrnam_r(3).</summary>
internal static partial class UserGroup
{
    // struct group: two pointers, then gr_gid.
    private static readonly int idOffset = 2 * nint.Size;

    /// <summary>The number of a group, given by its name or by the number itself.</summary>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.InvalidArgument"/> where there is none of that name.</exception>
    public static unsafe uint FindId(string nameOrId)
    {
        if (uint.TryParse(nameOrId, CultureInfo.InvariantCulture, out uint id)) return id;
        byte* group = stackalloc byte[4 * nint.Size];
        for (int size = 1 << 10; ; size *= 2)
        {
            byte[] strings = new byte[size];
            fixed (byte* buffer = strings)
            {
                byte* found = null;
                // SAFETY: the entry has room for struct group (three pointers and a number), the strings for as many bytes as are said.
                int errno = FindByName(nameOrId, group, buffer, size, &found);
                if (errno == 0 && found is not null) return *(uint*)(group + idOffset);
                if (errno == Errno.ERANGE) continue;
                throw new MigrationException(MigrationErrorReason.InvalidArgument, $"This machine has no group '{nameOrId}'.",
                    "Name an existing group, or make it with groupadd.");
            }
        }
    }

    [LibraryImport("libc", EntryPoint = "getgrnam_r", StringMarshalling = StringMarshalling.Utf8)]
    private static unsafe partial int FindByName(string name, byte* group, byte* strings, nint length, byte** found);
}
