namespace VmMigration.Engine.Migration;

/// <summary>The sentences a result names its lesser ways by.</summary>
internal static class MigrationFallbacks
{
    /// <summary>One sentence where there is a reason, and none where there is not.</summary>
    /// <param name="what">What was not done, or done in another way.</param>
    /// <param name="why">Why; null where it was done as wanted.</param>
    public static IEnumerable<string> Named(string what, string? why) => why is null ? [] : [$"{what}: {why}"];
}
