namespace VmMigration.Engine.Native;

/// <summary>Makes control groups.</summary>
internal static class ControlGroupDirectory
{
    /// <summary>Makes one group; its parent exists.</summary>
    public static void Make(string directory)
    {
        try
        {
            Directory.CreateDirectory(directory);
        }
        catch (UnauthorizedAccessException exception)
        {
            throw new MigrationException(
                MigrationErrorReason.AccessDenied, $"The control group {directory} may not be made.",
                "Run as root, or have the parent group delegated to the account.", exception);
        }
        catch (IOException exception)
        {
            throw new MigrationException(
                MigrationErrorReason.SystemCallFailed, $"The control group {directory} cannot be made: {exception.Message}", null, exception);
        }
    }
}
