using Microsoft.Data.Sqlite;
using VmMigration.Engine.Disks;
using static VmMigration.Engine.Hosts.JournalValue;

namespace VmMigration.Engine.Hosts;

/// <summary>The part of a host's journal that is about images which arrived for VMs that have not.</summary>
internal sealed class ArrivedDiskJournal(JournalDatabase database)
{
    /// <summary>Records an image in place of what was known of the same path.</summary>
    public void Save(ArrivedDisk disk) => database.Commit("record an arrived disk", () => database.Prepared(
        "INSERT OR REPLACE INTO arrived_disks (path, source, flattened, generation) VALUES (@0, @1, @2, @3)",
        disk.Path, ToJson(disk.Source), disk.Flattened, ToJson(disk.Generation)).ExecuteNonQuery());

    /// <summary>Finds what is known of a path; null for nothing.</summary>
    public ArrivedDisk? Find(string path) => database.Run("read an arrived disk", () =>
    {
        using SqliteDataReader row = database.Prepared(
            "SELECT path, source, flattened, generation FROM arrived_disks WHERE path = @0", path).ExecuteReader();
        return row.Read()
            ? new ArrivedDisk(row.GetString(0), FromJson<DiskDescription>(row.GetString(1)), row.GetBoolean(2), FromJson<DiskGeneration>(row.GetString(3)))
            : null;
    });

    /// <summary>Forgets an image, which is a VM's now or is gone; does nothing where it is not known.</summary>
    public void Delete(string path) => database.Commit("forget an arrived disk", () =>
        database.Prepared("DELETE FROM arrived_disks WHERE path = @0", path).ExecuteNonQuery());
}
