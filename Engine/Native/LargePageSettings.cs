using System.Globalization;

namespace VmMigration.Engine.Native;

/// <summary>
/// What the kernel says of large pages under /sys/kernel/mm (transhuge.rst and hugetlbpage.rst of Documentation/admin-guide/mm).
/// </summary>
/// <param name="root">Directory to read; tests name another one.</param>
internal sealed class LargePageSettings(string root = "/sys/kernel/mm")
{
    /// <summary>
    /// Size in bytes of the large pages that guest memory is put on: what x86-64, and arm64 with 4K pages, map by one entry.
    /// </summary>
    public const long PageSizeBytes = 2 << 20;

    private string SharedMemorySetting => Path.Join(root, "transparent_hugepage/shmem_enabled");

    private string Pool => Path.Join(root, "hugepages/hugepages-2048kB");

    /// <summary>
    /// Whether anonymous memory gets large pages for the asking. Without the file the kernel was built without them; the file lists all
    /// settings, the present one in brackets.
    /// </summary>
    public bool HasAnonymousLargePages =>
        File.Exists(AnonymousSetting) && !File.ReadAllText(AnonymousSetting).Contains("[never]", StringComparison.Ordinal);

    /// <summary>The file that says so.</summary>
    public string AnonymousSetting => Path.Join(root, "transparent_hugepage/enabled");

    /// <summary>Whether the kernel can put files of a tmpfs on large pages.</summary>
    public bool HasHugeTmpfs => File.Exists(SharedMemorySetting);

    /// <summary>Whether the kernel keeps a pool of pages of 2 MiB.</summary>
    public bool HasPool => Directory.Exists(Pool);

    /// <summary>
    /// Whether large pages of shared memory are switched off, whatever a mount asks for. The file lists all settings, the present one in
    /// brackets.
    /// </summary>
    public bool IsHugeTmpfsDenied =>
        HasHugeTmpfs && File.ReadAllText(SharedMemorySetting).Contains("[deny]", StringComparison.Ordinal);

    /// <summary>Pages of the pool that are neither in use nor promised to somebody; 0 without a pool.</summary>
    public long FreePoolPages => HasPool ? Math.Max(0, ReadPool("free_hugepages") - ReadPool("resv_hugepages")) : 0;

    private long ReadPool(string name) => long.Parse(
        File.ReadAllText(Path.Join(Pool, name)), NumberStyles.None | NumberStyles.AllowTrailingWhite, CultureInfo.InvariantCulture);
}
