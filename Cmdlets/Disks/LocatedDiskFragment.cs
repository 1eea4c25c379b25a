using VmMigration.Engine.Hosts;

namespace VmMigration.Cmdlets;

/// <summary>A fragment together with the host that keeps it.</summary>
internal sealed record LocatedDiskFragment(IMigrationHost Host, Engine.Disks.DiskFragment Fragment)
{
    /// <summary>How confirmation prompts and errors call it.</summary>
    public string Title => DiskFragment.From(Host.Name, Fragment).ToString();
}
