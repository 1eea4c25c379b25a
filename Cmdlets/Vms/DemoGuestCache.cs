namespace VmMigration.Cmdlets;

/// <summary>
/// Where the demo guest's initial file system is kept: a place of the user's own that outlives a host, so that a VM that moved can be
/// started again.
/// </summary>
internal static class DemoGuestCache
{
    public static string Directory => Path.Combine(
        Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData, Environment.SpecialFolderOption.Create),
        "VmMigration",
        "DemoGuest");
}
